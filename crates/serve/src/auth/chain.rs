//! Several ways in. The credential of a request decides who judges it, and only that one does: what one refuses, no other
//! is asked about.

use std::{fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName, header::InvalidHeaderValue, request::Parts};

use super::{Authentication, Authenticator, Challenge, Found, IpNet, Namespace, ProtectedResource};
use crate::{Departures, Gate, Principal};

/// Authenticators side by side: keys for programs, tokens for people.
pub struct Chain(Vec<Arc<dyn Authenticator>>);

/// Why authenticators can't stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("a chain of authenticators needs one at least")]
    Empty,
    #[error("an authenticator that lets everybody in makes the others of its chain useless")]
    Open,
    #[error(
        "`{one}` and `{other}` may name two callers alike; give each a `tenant` of its own, or leave it and the `tenant_claim` \
         of one of them out"
    )]
    Meeting { one: String, other: String },
    #[error(
        "a list of keys and `{issuer}` may name two callers alike; give the issuer or the callers of the keys a `tenant`, or say \
         that these are the issuer's with `Keys::of_callers_of`"
    )]
    MeetingKeys { issuer: String },
}

impl Chain {
    /// In this order they are asked whether a credential is theirs.
    pub fn new(authenticators: Vec<Arc<dyn Authenticator>>) -> Result<Self, ChainError> {
        if authenticators.is_empty() {
            return Err(ChainError::Empty);
        }
        if authenticators.iter().any(|authenticator| authenticator.is_open()) {
            return Err(ChainError::Open);
        }
        let mut known: Vec<Namespace> = Vec::new();
        for namespace in authenticators.iter().flat_map(|authenticator| authenticator.namespaces()) {
            if let Some(one) = known.iter().find(|known| known.meets(&namespace)) {
                let listed = one.principal_claim.is_none() || namespace.principal_claim.is_none();
                return Err(if listed {
                    let issuer = if one.principal_claim.is_none() { namespace.issuer } else { one.issuer.clone() };
                    ChainError::MeetingKeys { issuer }
                } else {
                    ChainError::Meeting { one: one.issuer.clone(), other: namespace.issuer }
                });
            }
            known.push(namespace);
        }
        Ok(Self(authenticators))
    }

    fn judge(&self, head: &Parts) -> Result<&dyn Authenticator, Challenge> {
        let mut place: Option<HeaderName> = None;
        let mut own = None;
        let mut foreign = None;
        for authenticator in &self.0 {
            let (header, is_own) = match authenticator.finds(head) {
                Found::Nothing => continue,
                Found::Own(header) => (header, true),
                Found::Foreign(header) => (header, false),
            };
            // Two credentials could be of two callers.
            if place.as_ref().is_some_and(|place| *place != header) {
                return Err(Challenge::malformed("more than one credential", "send one credential"));
            }
            place = Some(header);
            let judge = if is_own { &mut own } else { &mut foreign };
            judge.get_or_insert(&**authenticator);
        }
        Ok(own.or(foreign).unwrap_or(&*self.0[0]))
    }

    /// What others would have taken instead.
    fn with_all(&self, challenge: Challenge) -> Challenge {
        if challenge.status() != http::StatusCode::UNAUTHORIZED {
            return challenge;
        }
        let (head, ()) = http::Request::new(()).into_parts();
        let offers = self.0.iter().filter_map(|authenticator| match authenticator.authenticate(&head) {
            Authentication::Ready(Err(offer)) if offer.status() == http::StatusCode::UNAUTHORIZED => Some(offer),
            _ => None,
        });
        challenge.or(offers)
    }
}

impl Authenticator for Chain {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let judge = match self.judge(head) {
            Ok(judge) => judge,
            Err(challenge) => return Authentication::Ready(Err(challenge)),
        };
        match judge.authenticate(head) {
            Authentication::Ready(outcome) => {
                Authentication::Ready(outcome.map_err(|challenge| self.with_all(challenge)))
            }
            Authentication::Pending(outcome) => {
                Authentication::Pending(Box::pin(
                    async move { outcome.await.map_err(|challenge| self.with_all(challenge)) },
                ))
            }
        }
    }

    fn judge_again<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        match self.judge(head) {
            Ok(judge) => judge.judge_again(head),
            Err(challenge) => Authentication::Ready(Err(challenge)),
        }
    }

    fn expires_at(&self, head: &Parts, principal: &Principal) -> Option<SystemTime> {
        self.judge(head).ok()?.expires_at(head, principal)
    }

    fn proxies(&self) -> Vec<IpNet> {
        self.0.iter().flat_map(|authenticator| authenticator.proxies()).collect()
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.0.iter().flat_map(|authenticator| authenticator.namespaces()).collect()
    }

    fn report_to(&self, departures: &Departures) {
        for authenticator in &self.0 {
            authenticator.report_to(departures);
        }
    }

    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        self.0[0].present(headers, credential)
    }

    fn finds(&self, head: &Parts) -> Found {
        let mut found = Found::Nothing;
        for authenticator in &self.0 {
            match authenticator.finds(head) {
                own @ Found::Own(_) => return own,
                Found::Nothing => {}
                foreign @ Found::Foreign(_) => found = foreign,
            }
        }
        found
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.0.iter().find_map(|authenticator| authenticator.protected_resource())
    }

    fn names_entry(&self, principal: &Principal) -> bool {
        self.0.iter().any(|authenticator| authenticator.names_entry(principal))
    }

    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.0.iter().find_map(|authenticator| authenticator.gate(principal))
    }

    fn reads_peer(&self) -> bool {
        self.0.iter().any(|authenticator| authenticator.reads_peer())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::{
        Algorithm, ApiKeys, BearerTokens, Jwt, JwtConfig, KeyList, Keys, NoAuthentication,
        tokens::{Token, TokenRegistry},
    };

    fn chain() -> Chain {
        let keys = |text| KeyList::parse(text).expect("keys");
        Chain::new(vec![
            Arc::new(ApiKeys::new(ApiKeys::DEFAULT_HEADER, keys(r#"{"key-of-alice": "alice"}"#))),
            Arc::new(BearerTokens::new(keys(r#"{"token-of-bob": "bob"}"#))),
        ])
        .expect("a chain")
    }

    fn ask(headers: &[(&str, &str)]) -> Result<Arc<Principal>, crate::wire::Refusal> {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match chain().authenticate(&request.body(()).expect("a request").into_parts().0) {
            Authentication::Ready(outcome) => outcome.map_err(Challenge::refusal),
            Authentication::Pending(_) => panic!("lists answer at once"),
        }
    }

    #[test]
    fn the_credential_decides_who_judges_it() {
        assert_eq!(ask(&[("x-api-key", "key-of-alice")]).expect("alice").id, "alice");
        assert_eq!(ask(&[("authorization", "Bearer token-of-bob")]).expect("bob").id, "bob");
        for wrong in [("x-api-key", "token-of-bob"), ("authorization", "Bearer key-of-alice")] {
            assert_eq!(ask(&[wrong]).expect_err("refused").status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        }
    }

    #[test]
    fn two_credentials_are_refused_even_if_both_are_good() {
        let both = [("x-api-key", "key-of-alice"), ("authorization", "Bearer token-of-bob")];
        assert_eq!(ask(&both).expect_err("refused").status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn every_way_in_is_told() {
        let refusal = ask(&[]).expect_err("refused");
        let told: Vec<_> = refusal.headers.iter().map(|(_, value)| value.to_str().expect("text")).collect();
        assert_eq!(told, ["Bearer realm=\"mcp\"", "ApiKey realm=\"mcp\", header=\"x-api-key\""]);
    }

    fn issuer(name: &str, change: impl FnOnce(&mut JwtConfig)) -> Arc<dyn Authenticator> {
        let mut config = JwtConfig::new(name, "https://mcp.example.com/mcp", vec![Algorithm::Hs256]);
        change(&mut config);
        Arc::new(Jwt::with_secret(config, &[7; 32]).expect("configured"))
    }

    /// `alice` of one issuer is not `alice` of the other.
    #[test]
    fn two_issuers_need_tenants_that_keep_their_callers_apart() {
        let claim = |config: &mut JwtConfig| config.tenant_claim = Some("org".to_owned());
        let fixed = |tenant: &str| {
            let tenant = tenant.to_owned();
            move |config: &mut JwtConfig| config.tenant = Some(tenant)
        };
        let (a, b) = ("https://a.example", "https://b.example");
        for chain in [
            vec![issuer(a, |_| {}), issuer(b, |_| {})],
            vec![issuer(a, claim), issuer(b, claim)],
            vec![issuer(a, fixed("one")), issuer(b, fixed("one"))],
            vec![issuer(a, fixed("one")), issuer(b, claim)],
        ] {
            let nested: Vec<Arc<dyn Authenticator>> =
                vec![chain[0].clone(), Arc::new(Chain::new(vec![chain[1].clone()]).expect("one"))];
            for chain in [chain, nested] {
                let error = Chain::new(chain).expect_err("refused");
                assert_eq!(error, ChainError::Meeting { one: a.to_owned(), other: b.to_owned() });
            }
        }
        for chain in [
            vec![issuer(a, fixed("one")), issuer(b, fixed("two"))],
            vec![issuer(a, |_| {}), issuer(b, claim)],
            vec![issuer(a, |_| {}), issuer(b, fixed("two"))],
            vec![issuer(a, |_| {}), issuer(a, |_| {})],
        ] {
            Chain::new(chain).expect("no two can be mixed up");
        }
    }

    /// An issuer where people choose their names could let one in as whoever a key is for.
    #[test]
    fn keys_and_an_issuer_need_callers_that_can_be_told_apart() {
        let list = |text: &str| Keys::from(KeyList::parse(text).expect("keys"));
        let keys = |keys: Keys| -> Arc<dyn Authenticator> { Arc::new(ApiKeys::new(ApiKeys::DEFAULT_HEADER, keys)) };
        let registry = |tenant: Option<&str>| {
            let registry = TokenRegistry::default();
            let token = Token::new("a-secret-that-nobody-guesses").with_principal("admin");
            registry.add(tenant.into_iter().fold(token, Token::with_tenant)).expect("added");
            Keys::from(registry)
        };
        let (a, b) = ("https://a.example", "https://b.example");
        let plain = || list(r#"{"key-of-admin": "admin"}"#);
        let of = |tenant: &str| list(&format!(r#"{{"key-of-admin": {{"principal": "admin", "tenant": "{tenant}"}}}}"#));
        let claim = |config: &mut JwtConfig| config.tenant_claim = Some("org".to_owned());
        let fixed = |config: &mut JwtConfig| config.tenant = Some("people".to_owned());
        let within = move |config: &mut JwtConfig| (fixed(config), claim(config)).0;
        for chain in [
            vec![keys(plain()), issuer(a, |_| {})],
            vec![issuer(a, |_| {}), keys(registry(None))],
            vec![keys(of("people")), issuer(a, fixed)],
            vec![keys(of("people/north")), issuer(a, within)],
            vec![keys(registry(Some("north"))), issuer(a, claim)],
            vec![keys(plain().of_callers_of(b)), issuer(a, |_| {})],
        ] {
            let error = Chain::new(chain).expect_err("refused");
            assert_eq!(error, ChainError::MeetingKeys { issuer: a.to_owned() });
        }
        for chain in [
            vec![keys(plain()), keys(registry(None))],
            vec![keys(plain()), issuer(a, fixed)],
            vec![keys(plain()), issuer(a, claim)],
            vec![keys(of("programs")), issuer(a, |_| {})],
            vec![keys(of("peoples")), issuer(a, within)],
            vec![keys(plain().of_callers_of(a)), issuer(a, |config| config.principal_claim = "email".to_owned())],
        ] {
            Chain::new(chain).expect("no two can be mixed up");
        }
    }

    #[test]
    fn nobody_opens_a_chain() {
        let open: Arc<dyn Authenticator> = Arc::new(NoAuthentication::default());
        assert_eq!(Chain::new(vec![Arc::new(chain()), open]).expect_err("refused"), ChainError::Open);
        assert_eq!(Chain::new(Vec::new()).expect_err("refused"), ChainError::Empty);
    }
}
