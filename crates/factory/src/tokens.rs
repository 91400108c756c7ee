//! API tokens: with which users, and their programs and agents, come to the factory. A secret is shown once; what is kept is
//! its hash under the factory's key.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use mcp_serve::{
    Keys,
    tokens::{Secret, Token, TokenInfo},
};
use zeroize::Zeroizing;

use crate::{Caller, Change, Error, Factory, Owner, registry::Role};

/// Of one user.
const MOST: usize = 100;

/// A token as it is handed out, once.
#[derive(Debug)]
pub struct Issued {
    pub token: TokenInfo,
    pub secret: Secret,
}

/// What somebody says in seconds was meant so up to ten years; what ends later should be said to have no end.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(crate) fn bounded(what: &'static str, time: Duration) -> Result<Duration, Error> {
    if time > LONGEST {
        return Err(Error::argument(what, format!("is at most {} seconds, which are ten years", LONGEST.as_secs())));
    }
    Ok(time)
}

impl Factory {
    /// For the caller, or whom they act for. Good for no more than `role`, and for no more than its user may at any time.
    pub async fn issue_token(
        &self,
        caller: &Caller,
        name: &str,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<Issued, Error> {
        let issued = self.issue(caller, name, role, lifetime).await;
        self.told(caller, "tokens.issue", name, issued).await
    }

    async fn issue(
        &self,
        caller: &Caller,
        name: &str,
        role: Role,
        lifetime: Option<Duration>,
    ) -> Result<Issued, Error> {
        // Who may look may have a token to look with, and nobody gets more than they have.
        caller.needs(role)?;
        let owner = self.user(caller).await?.owner;
        if self.tokens_of(&owner).len() >= MOST {
            return Err(Error::TooMany { what: "tokens", most: MOST as u32 });
        }
        let secret = Secret::generate();
        let id = id_of(&owner, name)?;
        let mut token = Token::new(secret.clone())
            .with_id(&id)
            .with_principal(owner.as_str())
            .with_tenant(owner.as_str())
            .with_scopes([role.as_str()]);
        if let Some(lifetime) = lifetime {
            token = token.expires_at(SystemTime::now() + bounded("a lifetime", lifetime)?);
        }
        self.shared_tokens().add(token).await?;
        let token = self.tokens().get(&id).ok_or_else(|| no_token(name))?;
        Ok(Issued { token, secret })
    }

    /// In the order of their names; no secrets.
    pub async fn list_tokens(&self, caller: &Caller) -> Result<Vec<TokenInfo>, Error> {
        caller.needs(Role::Viewer)?;
        Ok(self.tokens_of(caller.owner()))
    }

    /// Gives a token another secret; the one it has is good for `overlap` more.
    pub async fn rotate_token(&self, caller: &Caller, name: &str, overlap: Duration) -> Result<Issued, Error> {
        let secret = Secret::generate();
        let rotated = async {
            caller.needs(Role::Developer)?;
            let id = id_of(caller.owner(), name)?;
            let overlap = bounded("an overlap", overlap)?;
            let token = self.shared_tokens().rotate(&id, secret.clone(), overlap).await?;
            Ok(Issued { token: token.ok_or_else(|| no_token(name))?, secret })
        };
        let rotated = rotated.await;
        self.told(caller, "tokens.rotate", name, rotated).await
    }

    /// From the next request on.
    pub async fn revoke_token(&self, caller: &Caller, name: &str) -> Result<Change, Error> {
        let revoked = async {
            caller.needs(Role::Developer)?;
            let id = id_of(caller.owner(), name)?;
            Ok(Change::of(self.shared_tokens().remove(&id).await?.is_some()))
        };
        let revoked = revoked.await;
        self.told(caller, "tokens.revoke", name, revoked).await
    }

    /// What opens the factory itself. A key of one of its servers is no credential here.
    #[must_use]
    pub fn api_tokens(&self) -> Keys {
        Keys::such_as(self.tokens().clone(), is_api_token)
    }

    pub(crate) fn tokens_of(&self, owner: &Owner) -> Vec<TokenInfo> {
        let theirs = |token: &TokenInfo| is_of(token.token.as_str(), owner);
        self.tokens().list().into_iter().filter(theirs).collect()
    }

    /// Writes down what was done to a token, which is kept elsewhere.
    pub(crate) async fn told<T>(
        &self,
        caller: &Caller,
        verb: &'static str,
        name: &str,
        done: Result<T, Error>,
    ) -> Result<T, Error> {
        match done {
            Ok(done) => {
                self.change(caller, Role::Viewer, verb, name, |_, _| Ok(())).await?;
                Ok(done)
            }
            Err(error) if error.is_refusal() => Err(self.refused(caller, verb, name, error).await),
            Err(error) => Err(error),
        }
    }

    /// The operator's own token, in a file that only they can read: the command line comes with it.
    pub(crate) async fn keep_local_token(&self) -> Result<(), Error> {
        let file = self.data().join("token");
        let failed = |source| Error::Folder { path: file.display().to_string(), source };
        match fs::read_to_string(&file).map(Zeroizing::new) {
            Ok(secret) => {
                let known = self.tokens().find(secret.trim()).and_then(|id| self.tokens().get(id.as_str()));
                if known.is_some_and(|token| is_of(token.token.as_str(), &Owner::local())) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut unique = [0; 4];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut unique).expect("the machine has random numbers");
        let name = format!("cli-{:08x}", u32::from_be_bytes(unique));
        let issued = self.issue_token(&Caller::local(), &name, Role::Admin, None).await?;
        replace(&file, issued.secret.reveal()).map_err(failed)
    }
}

/// In one step, and for its owner only.
fn replace(file: &Path, secret: &str) -> std::io::Result<()> {
    let draft = file.with_extension(std::process::id().to_string());
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(secret.as_bytes())?;
    fs::rename(&draft, file)
}

/// The public name of a token: nobody has one of another user's.
fn id_of(owner: &Owner, name: &str) -> Result<String, Error> {
    Ok(format!("{owner}/{}", checked("the name of a token", name)?))
}

/// Whether this is an API token, and no key of a server.
pub(crate) fn is_api_token(id: &str) -> bool {
    id.bytes().filter(|byte| *byte == b'/').count() == 1
}

/// Such a name is part of an id, between `/`.
pub(crate) fn checked(what: &'static str, name: &str) -> Result<Owner, Error> {
    name.parse().map_err(|_| {
        let why = "has lower-case letters, digits, `.`, `_` and `-`, begins with a letter or a digit, and has at most 63 \
                   characters";
        Error::argument(what, why)
    })
}

/// Whether this is an API token of that user, and no key of a server of theirs.
pub(crate) fn is_of(id: &str, owner: &Owner) -> bool {
    id.strip_prefix(owner.as_str()).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'))
}

fn no_token(name: &str) -> Error {
    Error::NotFound { what: "token", name: name.chars().take(64).flat_map(char::escape_debug).collect() }
}
