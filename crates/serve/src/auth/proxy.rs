//! A proxy in front of this server knows who calls, and says so in headers. Anybody can write headers, so they count only
//! from a peer whose address is listed, or with a signature under a secret that the proxy shares. Without either they are
//! refused: a proxy that was forgotten here should be noticed, and so should a forger.

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue, request::Parts};
use sha2::{Digest, Sha256};

use super::{Authentication, Authenticator, Challenge, Found, Peer, jwt::name, only, verified::now};
use crate::{Principal, Scopes};

/// Takes identity from headers of a proxy. Off unless it is made: no other authenticator reads them.
pub struct TrustedProxy {
    trust: Trust,
    headers: ProxyHeaders,
}

/// Where a proxy says who calls. Lists have commas or blanks between their items.
#[derive(Debug, Clone)]
pub struct ProxyHeaders {
    /// Default `x-mcp-user`.
    pub user: HeaderName,
    /// Default `x-mcp-tenant`.
    pub tenant: HeaderName,
    /// Default `x-mcp-groups`.
    pub groups: HeaderName,
    /// Default `x-mcp-scopes`.
    pub scopes: HeaderName,
    /// What else it says: each is a claim of the principal, a text under the name of its header in lower case. Default: none.
    pub claims: Vec<HeaderName>,
    /// `t=<seconds since 1970>,v1=<hex>`. Default `x-mcp-signature`.
    pub signature: HeaderName,
}

impl Default for ProxyHeaders {
    fn default() -> Self {
        Self {
            user: HeaderName::from_static("x-mcp-user"),
            tenant: HeaderName::from_static("x-mcp-tenant"),
            groups: HeaderName::from_static("x-mcp-groups"),
            scopes: HeaderName::from_static("x-mcp-scopes"),
            claims: Vec::new(),
            signature: HeaderName::from_static("x-mcp-signature"),
        }
    }
}

/// What can never be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("no peer is trusted; list the addresses of the proxy")]
    NoPeers,
    #[error("the secret that the proxy signs with has less than 32 bytes")]
    ShortSecret,
    #[error("a proxy can't say more of callers whom nobody knows; let it say who calls, too")]
    Nobody,
    #[error("signatures are good for no time, or for more than 5 minutes")]
    Window,
}

enum Trust {
    Peers(Vec<IpNet>),
    Signature { key: Box<Hmac<Sha256>>, window: u64, used: Mutex<Used> },
}

/// An address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    address: IpAddr,
    bits: u8,
}

/// Signatures by their time.
type Used = BTreeSet<(u64, [u8; 32])>;

/// Signatures that are remembered so that none is used twice. More within the window have to wait.
const MOST_USED: usize = 100_000;

impl TrustedProxy {
    /// Trusts what connects from these addresses. Who else can open connections from there can be anybody.
    pub fn from_peers(peers: Vec<IpNet>, headers: ProxyHeaders) -> Result<Self, ProxyError> {
        if peers.is_empty() {
            return Err(ProxyError::NoPeers);
        }
        Ok(Self { trust: Trust::Peers(peers), headers })
    }

    /// Trusts what is signed with this secret: HMAC-SHA-256 over [`signed_text`](Self::signed_text). A signature is good
    /// once, and for `window` before and after its time.
    pub fn signed(secret: &[u8], window: Duration, headers: ProxyHeaders) -> Result<Self, ProxyError> {
        if secret.len() < 32 {
            return Err(ProxyError::ShortSecret);
        }
        if window < Duration::from_secs(1) || window > Duration::from_mins(5) {
            return Err(ProxyError::Window);
        }
        let key = Box::new(Hmac::new_from_slice(secret).expect("every length is a key"));
        Ok(Self { trust: Trust::Signature { key, window: window.as_secs(), used: Mutex::default() }, headers })
    }

    /// What a proxy signs: time, method, path with query, the identity (user, tenant, groups, scopes) and the claims, each on
    /// a line of its own. It covers no body: let nobody between the proxy and this server who could change one.
    #[must_use]
    pub fn signed_text(&self, time: u64, head: &Parts) -> Vec<u8> {
        let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut text = format!("{time}\n{}\n{target}", head.method).into_bytes();
        let identity = [&self.headers.user, &self.headers.tenant, &self.headers.groups, &self.headers.scopes];
        for header in identity.into_iter().chain(&self.headers.claims) {
            text.push(b'\n');
            text.extend_from_slice(head.headers.get(header).map_or(b"", HeaderValue::as_bytes));
        }
        text
    }

    /// The same, and on a last line whom it is about where they say so themselves: hex SHA-256 of the value of the header
    /// that their credential is in, so that nobody else can use it.
    fn text_about(&self, time: u64, head: &Parts, credential: Option<&HeaderValue>) -> Vec<u8> {
        let mut text = self.signed_text(time, head);
        if let Some(credential) = credential {
            text.push(b'\n');
            for byte in Sha256::digest(credential.as_bytes()) {
                text.extend_from_slice(format!("{byte:02x}").as_bytes());
            }
        }
        text
    }

    fn is_trusted(&self, head: &Parts, credential: Option<&HeaderValue>) -> Result<bool, Challenge> {
        match &self.trust {
            Trust::Peers(peers) => Ok(head
                .extensions
                .get::<Peer>()
                .is_some_and(|Peer(peer)| peers.iter().any(|net| net.contains(peer.ip())))),
            Trust::Signature { key, window, used } => {
                let Some(signature) = only(head, &self.headers.signature)? else { return Ok(false) };
                let Some((time, code)) = signature.to_str().ok().and_then(parse_signature) else { return Ok(false) };
                let now = now();
                if time.abs_diff(now) > *window {
                    return Ok(false);
                }
                let text = self.text_about(time, head, credential);
                let good = key.clone().chain_update(text).verify_slice(&code).is_ok();
                if good { first_use(used, (time, code), now, *window) } else { Ok(false) }
            }
        }
    }

    /// Of a request that was trusted when it came, so that its signature was used and may be old.
    fn is_still_trusted(&self, head: &Parts, credential: Option<&HeaderValue>) -> Result<bool, Challenge> {
        let Trust::Signature { key, .. } = &self.trust else { return self.is_trusted(head, credential) };
        let Some(signature) = only(head, &self.headers.signature)? else { return Ok(false) };
        let Some((time, code)) = signature.to_str().ok().and_then(parse_signature) else { return Ok(false) };
        Ok(key.clone().chain_update(self.text_about(time, head, credential)).verify_slice(&code).is_ok())
    }

    pub(super) fn claim_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.claims.iter()
    }

    /// The claims of a request whose caller is known by the `credential`. Without any, nobody has to vouch for it; and a
    /// signature that can't be bound to a credential could be anybody's.
    pub(super) fn claims<'a>(
        &self,
        head: &'a Parts,
        judgement: Judgement,
        credential: impl FnOnce() -> Result<Option<&'a HeaderValue>, Challenge>,
    ) -> Result<Vec<(String, String)>, Challenge> {
        let claims = self.said(head)?;
        if claims.is_empty() {
            return Ok(claims);
        }
        let is_good = match &self.trust {
            Trust::Peers(_) => self.vouches(head, judgement, None)?,
            Trust::Signature { .. } => match credential()? {
                None => false,
                credential => self.vouches(head, judgement, credential)?,
            },
        };
        if is_good { Ok(claims) } else { Err(forged()) }
    }

    fn said(&self, head: &Parts) -> Result<Vec<(String, String)>, Challenge> {
        let mut claims = Vec::new();
        for header in &self.headers.claims {
            if let Some(value) = only(head, header)? {
                let text = value.to_str().map_err(|_| unreadable())?;
                claims.push((header.as_str().to_owned(), text.to_owned()));
            }
        }
        Ok(claims)
    }

    fn vouches(&self, head: &Parts, judgement: Judgement, credential: Option<&HeaderValue>) -> Result<bool, Challenge> {
        match judgement {
            Judgement::First => self.is_trusted(head, credential),
            Judgement::Again => self.is_still_trusted(head, credential),
        }
    }

    fn read(&self, head: &Parts, judgement: Judgement) -> Result<Arc<Principal>, Challenge> {
        let refused = |message| Challenge::unauthenticated(SCHEME, message, HINT);
        let text = |header: &HeaderName| match only(head, header)? {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).map_err(|_| unreadable()),
        };
        let list = |header: &HeaderName| {
            let items = text(header)?.unwrap_or_default().split([',', ' ']);
            Ok::<_, Challenge>(items.filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>())
        };
        let user = text(&self.headers.user)?.ok_or_else(|| refused("the proxy does not say who calls"))?;
        // Looked at before who vouches for it: a header that is there twice is nobody's.
        let (tenant, groups, scopes) =
            (text(&self.headers.tenant)?, list(&self.headers.groups)?, list(&self.headers.scopes)?);
        let claims = self.said(head)?;
        if !self.vouches(head, judgement, None)? {
            return Err(forged());
        }
        let named = |text: &str| name(Some(&text.into())).map(str::to_owned);
        let id = named(user).ok_or_else(|| refused("the proxy does not say who calls"))?;
        let tenant = match tenant {
            None => None,
            Some(tenant) => Some(named(tenant).ok_or_else(|| refused("the proxy names no tenant"))?),
        };
        Ok(Arc::new(Principal {
            id,
            tenant,
            groups,
            scopes: Scopes::Only(scopes.into_iter().collect()),
            claims: claims.into_iter().map(|(name, text)| (name, text.into())).collect(),
            token: None,
        }))
    }
}

const SCHEME: HeaderValue = HeaderValue::from_static("Proxy realm=\"mcp\"");
const HINT: &str = "call through the proxy of this server";

/// Whether a request comes now, or opened a stream that is looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Judgement {
    First,
    Again,
}

fn forged() -> Challenge {
    Challenge::unauthenticated(SCHEME, "these headers are not from the proxy", HINT)
}

fn unreadable() -> Challenge {
    Challenge::unauthenticated(SCHEME, "the proxy's headers can't be read", HINT)
}

impl Authenticator for TrustedProxy {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        Authentication::Ready(self.read(head, Judgement::First))
    }

    fn judge_again<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        Authentication::Ready(self.read(head, Judgement::Again))
    }

    /// Nobody types what a proxy says.
    fn present(&self, _headers: &mut HeaderMap, _credential: &str) -> Result<(), InvalidHeaderValue> {
        Ok(())
    }

    fn finds(&self, head: &Parts) -> Found {
        let headers = &self.headers;
        let all = [&headers.user, &headers.tenant, &headers.groups, &headers.scopes, &headers.signature];
        if all.into_iter().chain(&headers.claims).any(|header| head.headers.contains_key(header)) {
            Found::Own(headers.user.clone())
        } else {
            Found::Nothing
        }
    }

    fn reads_peer(&self) -> bool {
        matches!(self.trust, Trust::Peers(_))
    }

    fn proxies(&self) -> Vec<IpNet> {
        match &self.trust {
            Trust::Peers(peers) => peers.clone(),
            Trust::Signature { .. } => Vec::new(),
        }
    }
}

fn parse_signature(text: &str) -> Option<(u64, [u8; 32])> {
    let (time, code) = text.split_once(',')?;
    let (time, code) = (time.strip_prefix("t=")?.parse().ok()?, code.strip_prefix("v1=")?);
    let mut bytes = [0; 32];
    if code.len() != 64 || !code.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(code.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some((time, bytes))
}

/// Forgets what is too old to be good anyway. Where there is no room for more, whether one was used before can't be told of
/// the next: the proxy did nothing wrong, and is told when to come again.
fn first_use(used: &Mutex<Used>, signature: (u64, [u8; 32]), now: u64, window: u64) -> Result<bool, Challenge> {
    let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
    if used.len() >= MOST_USED {
        *used = used.split_off(&(now.saturating_sub(window), [0; 32]));
    }
    if used.len() < MOST_USED || used.contains(&signature) {
        return Ok(used.insert(signature));
    }
    tracing::warn!(most = MOST_USED, "a proxy signs more requests within its window than are remembered");
    let free = used.first().map_or(now, |(oldest, _)| oldest.saturating_add(window).saturating_add(1));
    let wait = Duration::from_secs(free.saturating_sub(now).max(1));
    Err(Challenge::unavailable("more requests come from the proxy than their signatures can be remembered", wait))
}

impl std::fmt::Display for IpNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl IpNet {
    /// This machine.
    #[must_use]
    pub fn loopback() -> Vec<Self> {
        let v4 = Self { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), bits: 8 };
        vec![v4, Self { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), bits: 128 }]
    }

    /// The address itself, or `address/bits`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
        Some(Self { address, bits })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => (u32::from(net) ^ u32::from(address)).leading_zeros() >= bits,
            (IpAddr::V6(net), IpAddr::V6(address)) => (u128::from(net) ^ u128::from(address)).leading_zeros() >= bits,
            _ => false,
        }
    }
}

impl fmt::Debug for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trust: &dyn fmt::Debug = match &self.trust {
            Trust::Peers(peers) => peers,
            Trust::Signature { .. } => &"signature",
        };
        f.debug_struct("TrustedProxy").field("trust", trust).finish_non_exhaustive()
    }
}

/// As a proxy does it.
#[cfg(test)]
impl TrustedProxy {
    pub(super) fn signature(&self, head: &Parts, credential: Option<&HeaderValue>) -> String {
        self.signature_at(now(), head, credential)
    }

    fn signature_at(&self, time: u64, head: &Parts, credential: Option<&HeaderValue>) -> String {
        let Trust::Signature { key, .. } = &self.trust else { panic!("signed") };
        let code = key.clone().chain_update(self.text_about(time, head, credential)).finalize().into_bytes();
        let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={code}")
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const SECRET: &[u8; 32] = b"what proxy and server both know.";

    fn head(headers: &[(&str, &str)], peer: Option<&str>) -> Parts {
        let mut request = http::Request::post("/mcp?a=b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).expect("a request").into_parts().0;
        head.extensions.extend(
            peer.map(|peer| {
                let mut extensions = http::Extensions::new();
                extensions.insert(Peer(peer.parse().expect("an address")));
                extensions
            })
            .unwrap_or_default(),
        );
        head
    }

    fn ask(proxy: &TrustedProxy, head: &Parts) -> Result<Arc<Principal>, StatusCode> {
        proxy.read(head, Judgement::First).map_err(|challenge| challenge.status())
    }

    fn peers(nets: &[&str]) -> TrustedProxy {
        let nets = nets.iter().map(|net| IpNet::parse(net).expect("a net")).collect();
        TrustedProxy::from_peers(nets, ProxyHeaders::default()).expect("a proxy")
    }

    /// S3-62, T10: a forged header from elsewhere is refused, not passed over.
    #[test]
    fn only_a_listed_peer_says_who_calls() {
        let proxy = peers(&["10.1.0.0/16", "::1"]);
        let said = [("x-mcp-user", "alice"), ("x-mcp-groups", "ops, dev"), ("x-mcp-scopes", "a b")];
        for peer in ["10.1.2.3:9", "[::1]:9", "[::ffff:10.1.2.3]:9"] {
            let alice = ask(&proxy, &head(&said, Some(peer))).expect(peer);
            assert_eq!((alice.id.as_str(), alice.groups.len()), ("alice", 2));
            assert!(alice.scopes.allow("b") && !alice.scopes.allow("admin"));
        }
        for peer in [Some("10.2.0.1:9"), Some("127.0.0.1:9"), None] {
            assert_eq!(ask(&proxy, &head(&said, peer)).expect_err("forged"), StatusCode::UNAUTHORIZED, "{peer:?}");
        }
        assert!(ask(&proxy, &head(&[], Some("10.1.2.3:9"))).is_err(), "nobody is named");
        assert!(ask(&proxy, &head(&[("x-mcp-user", " ")], Some("10.1.2.3:9"))).is_err());
        let twice = [("x-mcp-user", "alice"), ("x-mcp-user", "bob")];
        assert_eq!(ask(&proxy, &head(&twice, Some("10.1.2.3:9"))), Err(StatusCode::BAD_REQUEST));
    }

    fn signed(proxy: &TrustedProxy, headers: &[(&str, &str)], time: u64) -> Parts {
        let mut head = head(headers, None);
        let value = proxy.signature_at(time, &head, None).parse().expect("a header");
        head.headers.insert("x-mcp-signature", value);
        head
    }

    #[test]
    fn a_signature_is_good_once_for_what_it_was_made_of() {
        let proxy = TrustedProxy::signed(SECRET, Duration::from_secs(30), ProxyHeaders::default()).expect("a proxy");
        let alice = [("x-mcp-user", "alice"), ("x-mcp-tenant", "acme")];
        let good = signed(&proxy, &alice, now());
        assert_eq!(ask(&proxy, &good).expect("good").tenant.as_deref(), Some("acme"));
        assert!(ask(&proxy, &good).is_err(), "a second time");
        assert!(ask(&proxy, &signed(&proxy, &alice, now() - 31)).is_err(), "too old");
        assert!(ask(&proxy, &signed(&proxy, &alice, now() + 31)).is_err(), "not yet");
        for (header, value) in [("x-mcp-user", "admin"), ("x-mcp-tenant", "other"), ("x-mcp-scopes", "admin")] {
            let mut changed = signed(&proxy, &alice, now() - 1);
            changed.headers.insert(header, value.parse().expect("a header"));
            assert!(ask(&proxy, &changed).is_err(), "{header}");
        }
        let mut elsewhere = signed(&proxy, &alice, now() - 2);
        elsewhere.uri = "/other".parse().expect("a path");
        assert!(ask(&proxy, &elsewhere).is_err(), "another path");
        assert!(ask(&proxy, &head(&alice, Some("127.0.0.1:1"))).is_err(), "no signature");
        for signature in ["", "t=,v1=", "t=1,v1=zz", &format!("t={},v1={}", now(), "é".repeat(32))] {
            let mut head = head(&alice, None);
            head.headers.insert("x-mcp-signature", HeaderValue::from_bytes(signature.as_bytes()).expect("bytes"));
            assert!(ask(&proxy, &head).is_err(), "{signature}");
        }
    }

    /// S2-47: who has more to ask than can be remembered did nothing wrong, and what was used is still used.
    #[test]
    fn past_what_is_remembered_a_good_signature_has_to_wait() {
        let proxy = TrustedProxy::signed(SECRET, Duration::from_secs(30), ProxyHeaders::default()).expect("a proxy");
        let alice = [("x-mcp-user", "alice")];
        let known = signed(&proxy, &alice, now());
        ask(&proxy, &known).expect("good");
        let Trust::Signature { used, .. } = &proxy.trust else { panic!("signed") };
        let (time, of) = (now(), |number: u32| std::array::from_fn(|at| number.to_le_bytes()[at % 4]));
        used.lock().expect("lock").extend((1..MOST_USED as u32).map(|number| (time, of(number))));
        let next = signed(&proxy, &[("x-mcp-user", "bob")], now());
        let told = proxy.read(&next, Judgement::First).expect_err("no room");
        assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
        let after = told.headers().find(|(name, _)| name == http::header::RETRY_AFTER).expect("when to come again").1;
        let after: u64 = after.to_str().expect("text").parse().expect("seconds");
        assert!((15..=31).contains(&after), "{after}");
        assert_eq!(ask(&proxy, &known).expect_err("used before"), StatusCode::UNAUTHORIZED);
        let forged = head(&[("x-mcp-user", "alice"), ("x-mcp-signature", &format!("t={time},v1={:064x}", 1))], None);
        assert_eq!(ask(&proxy, &forged).expect_err("forged"), StatusCode::UNAUTHORIZED);
        // As if the window had passed.
        let mut used = used.lock().expect("lock");
        *used = std::mem::take(&mut *used).into_iter().map(|(time, code)| (time - 31, code)).collect();
        drop(used);
        ask(&proxy, &next).expect("there is room again");
    }

    #[test]
    fn what_trusts_nobody_or_everybody_is_refused() {
        let headers = ProxyHeaders::default;
        assert_eq!(TrustedProxy::from_peers(Vec::new(), headers()).expect_err("nobody"), ProxyError::NoPeers);
        let minute = Duration::from_mins(1);
        assert_eq!(TrustedProxy::signed(b"short", minute, headers()).expect_err("short"), ProxyError::ShortSecret);
        let hour = Duration::from_hours(1);
        assert_eq!(TrustedProxy::signed(SECRET, hour, headers()).expect_err("long"), ProxyError::Window);
        for net in ["10.0.0.0/33", "::/129", "proxy.example.com", "10.0.0.0/", "10.0.0.0/-1", ""] {
            assert!(IpNet::parse(net).is_none(), "{net}");
        }
    }
}
