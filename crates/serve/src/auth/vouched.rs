//! Callers say who they are, and a proxy says more about them: which toolsets they have, say. What it says is a claim of the
//! principal, and counts from that proxy only; with anybody else's request it is refused, so that nobody grants themselves
//! anything and a proxy that was forgotten here is noticed.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue, request::Parts};
use serde_json::Value;

use super::{
    Authentication, Authenticator, Challenge, Found, IpNet, Namespace, ProtectedResource, ProxyError, TrustedProxy,
    only, proxy::Judgement,
};
use crate::{Departures, Gate, Principal};

/// Adds the [claims](super::ProxyHeaders::claims) of a proxy to callers whom another authenticator knows. What is signed has
/// one more line than [`TrustedProxy::signed_text`]: hex SHA-256 of the value of the header that the credential is in.
#[derive(Debug)]
pub struct Vouched {
    callers: Arc<dyn Authenticator>,
    proxy: TrustedProxy,
}

impl Vouched {
    /// Where callers don't say who they are, nothing more can be said of them: a [`TrustedProxy`] alone is for that.
    pub fn new(callers: Arc<dyn Authenticator>, proxy: TrustedProxy) -> Result<Self, ProxyError> {
        // What all of them are shown may be kept for all of them.
        if callers.is_open() { Err(ProxyError::Nobody) } else { Ok(Self { callers, proxy }) }
    }

    fn add(&self, head: &Parts, judgement: Judgement, known: Arc<Principal>) -> Result<Arc<Principal>, Challenge> {
        let claims = self.proxy.claims(head, judgement, || self.credential(head))?;
        let names = || self.proxy.claim_names().map(HeaderName::as_str);
        if claims.is_empty() && !names().any(|name| known.claims.contains_key(name)) {
            return Ok(known);
        }
        let mut principal = Arc::unwrap_or_clone(known);
        // Whoever issued the caller's token is not the proxy.
        for name in names() {
            principal.claims.remove(name);
        }
        principal.claims.extend(claims.into_iter().map(|(name, text)| (name, Value::String(text))));
        Ok(Arc::new(principal))
    }

    fn credential<'a>(&self, head: &'a Parts) -> Result<Option<&'a HeaderValue>, Challenge> {
        match self.callers.finds(head) {
            Found::Nothing => Ok(None),
            Found::Own(header) | Found::Foreign(header) => only(head, &header),
        }
    }

    fn judge<'a>(&'a self, head: &'a Parts, judgement: Judgement, known: Authentication<'a>) -> Authentication<'a> {
        match known {
            Authentication::Ready(known) => {
                Authentication::Ready(known.and_then(|known| self.add(head, judgement, known)))
            }
            Authentication::Pending(known) => {
                Authentication::Pending(Box::pin(async move { self.add(head, judgement, known.await?) }))
            }
        }
    }
}

impl Authenticator for Vouched {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        self.judge(head, Judgement::First, self.callers.authenticate(head))
    }

    fn judge_again<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        self.judge(head, Judgement::Again, self.callers.judge_again(head))
    }

    fn expires_at(&self, head: &Parts, principal: &Principal) -> Option<SystemTime> {
        self.callers.expires_at(head, principal)
    }

    fn proxies(&self) -> Vec<IpNet> {
        self.callers.proxies().into_iter().chain(self.proxy.proxies()).collect()
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.callers.namespaces()
    }

    fn report_to(&self, departures: &Departures) {
        self.callers.report_to(departures);
    }

    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        self.callers.present(headers, credential)
    }

    fn finds(&self, head: &Parts) -> Found {
        self.callers.finds(head)
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.callers.protected_resource()
    }

    fn reads_peer(&self) -> bool {
        self.callers.reads_peer() || self.proxy.reads_peer()
    }

    fn names_entry(&self, principal: &Principal) -> bool {
        self.callers.names_entry(principal)
    }

    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.callers.gate(principal)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::{ApiKeys, KeyList, Peer, ProxyHeaders};

    fn headers() -> ProxyHeaders {
        ProxyHeaders { claims: vec![HeaderName::from_static("x-toolsets")], ..ProxyHeaders::default() }
    }

    fn keys() -> Arc<dyn Authenticator> {
        Arc::new(ApiKeys::new(
            ApiKeys::DEFAULT_HEADER,
            KeyList::parse("a-long-key-of-alice,a-long-key-of-bob").expect("keys"),
        ))
    }

    fn head(headers: &[(&str, &str)], peer: &str) -> Parts {
        let mut request = http::Request::post("/mcp").extension(Peer(peer.parse().expect("an address")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn ask(vouched: &Vouched, head: &Parts) -> Result<Option<Value>, StatusCode> {
        let Authentication::Ready(outcome) = vouched.authenticate(head) else { panic!("a key needs nobody") };
        outcome.map(|known| known.claims.get("x-toolsets").cloned()).map_err(|challenge| challenge.status())
    }

    const KEY: (&str, &str) = ("x-api-key", "a-long-key-of-alice");

    /// S3-62, T10: nobody grants themselves anything.
    #[test]
    fn what_a_proxy_says_counts_from_the_proxy_only() {
        let nets = vec![IpNet::parse("10.0.0.0/8").expect("a net")];
        let vouched =
            Vouched::new(keys(), TrustedProxy::from_peers(nets, headers()).expect("a proxy")).expect("callers");
        assert!(vouched.reads_peer() && !vouched.is_open());
        let said = [KEY, ("x-toolsets", "reading, writing")];
        assert_eq!(ask(&vouched, &head(&said, "10.1.1.1:1")), Ok(Some("reading, writing".into())));
        assert_eq!(ask(&vouched, &head(&said, "11.1.1.1:1")), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(ask(&vouched, &head(&[KEY], "11.1.1.1:1")), Ok(None), "who says nothing of it is let in");
        assert_eq!(ask(&vouched, &head(&said[1..], "10.1.1.1:1")), Err(StatusCode::UNAUTHORIZED), "who calls?");
        let twice = [KEY, ("x-toolsets", "reading"), ("x-toolsets", "writing")];
        assert_eq!(ask(&vouched, &head(&twice, "10.1.1.1:1")), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn nobody_is_vouched_for_who_is_anybody() {
        let proxy = TrustedProxy::signed(&[7; 32], Duration::from_secs(30), headers()).expect("a proxy");
        let open = Arc::new(crate::NoAuthentication::default());
        assert_eq!(Vouched::new(open, proxy).err(), Some(ProxyError::Nobody));
    }

    #[test]
    fn a_signature_covers_what_is_claimed() {
        let proxy = TrustedProxy::signed(&[7; 32], Duration::from_secs(30), headers()).expect("a proxy");
        let vouched = Vouched::new(keys(), proxy).expect("callers");
        let mut head = head(&[KEY, ("x-toolsets", "reading")], "10.1.1.1:1");
        assert_eq!(ask(&vouched, &head), Err(StatusCode::UNAUTHORIZED), "no signature");
        let signature = vouched.proxy.signature(&head, head.headers.get(KEY.0));
        head.headers.insert("x-mcp-signature", signature.parse().expect("a header"));
        let mut more = head.clone();
        more.headers.insert("x-toolsets", "admin".parse().expect("a header"));
        assert_eq!(ask(&vouched, &more), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(ask(&vouched, &head), Ok(Some("reading".into())));
        assert_eq!(ask(&vouched, &head), Err(StatusCode::UNAUTHORIZED), "a second time");
        let Authentication::Ready(again) = vouched.judge_again(&head) else { panic!("a key needs nobody") };
        assert!(again.is_ok(), "a stream that was opened with it stays");
    }

    /// A head that was signed and never came, say, or is in a log.
    #[test]
    fn a_signature_is_about_one_caller() {
        let proxy = TrustedProxy::signed(&[7; 32], Duration::from_secs(30), headers()).expect("a proxy");
        let vouched = Vouched::new(keys(), proxy).expect("callers");
        let mut head = head(&[KEY, ("x-toolsets", "admin")], "10.1.1.1:1");
        let of_nobody = vouched.proxy.signature(&head, None);
        let signature = vouched.proxy.signature(&head, head.headers.get(KEY.0));
        head.headers.insert("x-mcp-signature", of_nobody.parse().expect("a header"));
        assert_eq!(ask(&vouched, &head), Err(StatusCode::UNAUTHORIZED), "of nobody");
        head.headers.insert("x-mcp-signature", signature.parse().expect("a header"));
        let mut bobs = head.clone();
        bobs.headers.insert("x-api-key", "a-long-key-of-bob".parse().expect("a header"));
        assert_eq!(ask(&vouched, &bobs), Err(StatusCode::UNAUTHORIZED), "of somebody else");
        let Authentication::Ready(again) = vouched.judge_again(&bobs) else { panic!("a key needs nobody") };
        assert!(again.is_err());
        assert_eq!(ask(&vouched, &head), Ok(Some("admin".into())));
    }
}
