//! What an intake may use outside: files and variables of this machine for its operator who typed a command, what was granted to
//! an owner for everybody else. Whatever is fetched is bounded in bytes, time and redirects, and its address is checked.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use mcp_factory_connect::{
    Environment, Grant, Policy, Secrets,
    http::{Base, Class, Client, ClientConfig, Oversize, Request, Resolver, SystemResolver},
};
use url::Url;

use super::{
    IntakeError,
    document::{Private, no_scheme, shown},
};

/// In whose name something is read.
#[derive(Debug, Clone)]
pub struct Reach {
    policy: Arc<Policy>,
    secrets: Arc<dyn Secrets>,
    /// Whether files of this machine are theirs to name.
    here: bool,
    largest: usize,
    resolver: Arc<dyn Resolver>,
}

/// What somebody may have read on their own machine, and what everybody else may have this one read.
const LARGEST: (usize, usize) = (64 << 20, 16 << 20);
const PATIENCE: Duration = Duration::from_secs(60);

impl Reach {
    /// Of whoever types a command: their files, their variables, their network.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            policy: Arc::new(Policy::operator()),
            secrets: Arc::new(Environment),
            here: true,
            largest: LARGEST.0,
            resolver: Arc::new(SystemResolver),
        }
    }

    /// The same, with secrets from elsewhere.
    #[must_use]
    pub fn with_secrets(self, secrets: impl Secrets + 'static) -> Self {
        Self { secrets: Arc::new(secrets), ..self }
    }

    /// The same, with names looked up elsewhere. What is found is checked all the same.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, ..self }
    }

    /// Of an owner in a factory: what was granted to them, and their own secrets.
    pub(crate) fn of(policy: Policy, secrets: impl Secrets + 'static) -> Self {
        Self {
            policy: Arc::new(policy),
            secrets: Arc::new(secrets),
            here: false,
            largest: LARGEST.1,
            resolver: Arc::new(SystemResolver),
        }
    }

    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    #[must_use]
    pub fn secrets(&self) -> &Arc<dyn Secrets> {
        &self.secrets
    }

    /// How many bytes are read of one thing.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Fails unless files of this machine may be named.
    pub fn here(&self) -> Result<(), IntakeError> {
        match self.here {
            true => Ok(()),
            false => {
                Err(IntakeError::Argument("files of the factory's machine are not read; send the text".to_owned()))
            }
        }
    }

    /// What may be private takes the grant.
    pub async fn fetch(&self, url: &Url, private: Private) -> Result<Vec<u8>, IntakeError> {
        let of = format!("`{}`", shown(url));
        let failed = |why: String| IntakeError::Unreadable { of: of.clone(), why };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(no_scheme(&shown(url), url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("it holds a user or a password; fetch it yourself and send what it says".to_owned()));
        }
        let mut asked = Request {
            whole_query: url.query().map(str::to_owned),
            max_bytes: self.largest,
            oversize: Oversize::Refuse,
            ..Request::new(Method::GET, url.path())
        };
        let wanted = "application/json, application/yaml;q=0.9, */*;q=0.5";
        asked.headers.insert(header::ACCEPT, HeaderValue::from_static(wanted));
        let answer = match self.client(url, private == Private::All, true)?.send(asked.clone()).await {
            // By its name it may have been public. Then it leads nowhere else.
            Err(refused) if private == Private::Host && refused.class() == Class::Refused => {
                self.client(url, true, false)?.send(asked).await.map_err(|_| refused)
            }
            answer => answer,
        };
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        if !answer.status.is_success() {
            return Err(failed(format!("it answers {}", answer.status)));
        }
        Ok(answer.body.into())
    }

    fn client(&self, url: &Url, private: bool, any_host: bool) -> Result<Client, IntakeError> {
        let config = ClientConfig {
            allow_private_network: private,
            any_host,
            timeout: PATIENCE,
            retries: 1,
            kept_bytes: 0,
            ..ClientConfig::new("the document", Base::Url(url.origin().ascii_serialization()))
        };
        Ok(Client::with_resolver(config, self.secrets.clone(), &self.policy, self.resolver.clone())?)
    }

    /// Whether something is granted, for what is not fetched.
    pub fn check(&self, grant: Grant) -> Result<(), IntakeError> {
        Ok(self.policy.check(grant)?)
    }
}
