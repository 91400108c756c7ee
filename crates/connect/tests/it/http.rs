//! The client against real servers on this machine. Names are resolved by a table; a private network is allowed only where
//! the test is about something else.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request as Incoming,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response as Outgoing},
};
use mcp_factory_connect::{
    Denied, FixedSecrets, Grant, Policy,
    http::{Auth, Base, Class, Client, ClientConfig, Oversize, Request, ResolveFuture, Resolver, Response},
};
use mcp_factory_testing::Certificate;

/// Answers names from lists of answers, one list per look-up; the last stays.
#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    fn with(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self(Mutex::new([(name.to_owned(), answers)].into_iter().collect())))
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str) -> ResolveFuture {
        let mut names = self.0.lock().unwrap();
        let answer =
            names.get_mut(host).map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// What a server was sent, in one line each.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Listens on 127.0.0.1 and answers with `respond`; gives its port and what it was sent.
pub async fn upstream<R: IntoResponse + 'static>(
    respond: impl Fn(&Method, &str, usize) -> R + Clone + Send + Sync + 'static,
) -> (u16, Seen) {
    start(move |method, target, _, count| respond(method, target, count)).await
}

/// The same, answering by what the headers say.
pub async fn upstream_with_headers<R: IntoResponse + 'static>(
    respond: impl Fn(&HeaderMap) -> R + Clone + Send + Sync + 'static,
) -> (u16, Seen) {
    start(move |_, _, headers, _| respond(headers)).await
}

async fn start<R: IntoResponse + 'static>(
    respond: impl Fn(&Method, &str, &HeaderMap, usize) -> R + Clone + Send + Sync + 'static,
) -> (u16, Seen) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Seen::default();
    let count = Arc::new(AtomicUsize::new(0));
    let all = seen.clone();
    let handler = move |request: Incoming| {
        let (all, respond, count) = (all.clone(), respond.clone(), count.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let target = head.uri.to_string();
            let mut line = format!("{} {target}", head.method);
            for name in [
                "host",
                "x-many",
                "authorization",
                "x-api-key",
                "x-own",
                "cookie",
                "content-type",
                "if-none-match",
                "if-modified-since",
            ] {
                for value in head.headers.get_all(name) {
                    line += &format!(" {name}={}", value.to_str().unwrap());
                }
            }
            line += &format!(" [{}]", String::from_utf8_lossy(&body));
            all.0.lock().unwrap().push(line);
            respond(&head.method, &target, &head.headers, count.fetch_add(1, Ordering::Relaxed)).into_response()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
    (port, seen)
}

fn redirect(status: u16, location: &str) -> Outgoing {
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, location)]).into_response()
}

pub fn secrets() -> Arc<FixedSecrets> {
    Arc::new(
        [("TOKEN", "s3cret"), ("USER_NAME", "u"), ("BROKEN", "a\r\nb"), ("ID", "a client"), ("PASSWORD", "s3cret&:")]
            .into_iter()
            .collect(),
    )
}

pub fn private(base: String) -> ClientConfig {
    ClientConfig { allow_private_network: true, ..ClientConfig::new("crm", Base::Url(base)) }
}

pub fn client(config: ClientConfig) -> Client {
    Client::new(config, secrets(), Arc::new(Policy::operator())).unwrap()
}

pub fn get(path: &str) -> Request {
    Request::new(Method::GET, path)
}

async fn refused(client: &Client, request: Request) -> (Class, String) {
    let error = client.send(request).await.unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
    (error.class(), error.to_string())
}

#[tokio::test]
async fn a_request_is_the_base_with_its_path_query_headers_and_body() {
    let (port, seen) = upstream(|_, _, _| (StatusCode::CREATED, [("x-answer", "yes")], "made")).await;
    let mut config = private(format!("http://127.0.0.1:{port}/api/?v=1"));
    config.headers.insert("x-own", "config".parse().unwrap());
    let mut request = Request::new(Method::POST, "/things/a%2Fb");
    request.query = vec![("q".into(), "a&b=c d".into())];
    request.headers = [(header::CONTENT_TYPE, "text/plain".parse().unwrap())].into_iter().collect::<HeaderMap>();
    request.headers.append("x-many", "1".parse().unwrap());
    request.headers.append("x-many", "2".parse().unwrap());
    request.body = Some(Bytes::from_static(b"hello"));
    let Response { status, headers, body, truncated } = client(config).send(request).await.unwrap();
    assert_eq!(
        (status, &headers["x-answer"], &body[..], truncated),
        (StatusCode::CREATED, &"yes".parse().unwrap(), &b"made"[..], false)
    );
    let line = format!(
        "POST /api/things/a%2Fb?v=1&q=a%26b%3Dc+d host=127.0.0.1:{port} x-many=1 x-many=2 x-own=config content-type=text/plain [hello]"
    );
    assert_eq!(seen.lines(), [line]);
}

#[tokio::test]
async fn every_way_of_authentication_is_sent_where_it_belongs() {
    let (port, seen) = upstream(|_, _, _| "ok").await;
    let secret = || "TOKEN".to_owned();
    let ways = [
        (Auth::Bearer { secret: secret() }, "GET /a host=H authorization=Bearer s3cret []"),
        (
            Auth::Basic { user_secret: "USER_NAME".into(), password_secret: secret() },
            "GET /a host=H authorization=Basic dTpzM2NyZXQ= []",
        ),
        (Auth::Header { name: "X-API-Key".into(), secret: secret() }, "GET /a host=H x-api-key=s3cret []"),
        (Auth::Query { name: "key".into(), secret: secret() }, "GET /a?key=s3cret host=H []"),
    ];
    for (auth, expected) in ways {
        let config = ClientConfig { auth, ..private(format!("http://127.0.0.1:{port}")) };
        client(config).send(get("/a")).await.unwrap();
        assert_eq!(seen.lines().last().unwrap(), &expected.replace('H', &format!("127.0.0.1:{port}")));
    }
    let broken = |auth| client(ClientConfig { auth, ..private(format!("http://127.0.0.1:{port}")) });
    let missing = refused(&broken(Auth::Bearer { secret: "NONE".into() }), get("/a")).await;
    assert_eq!(
        missing,
        (Class::Configuration, "there is no secret `NONE`; add it to the secrets of this server's owner".into())
    );
    let split = refused(&broken(Auth::Bearer { secret: "BROKEN".into() }), get("/a")).await;
    assert_eq!(split.1, "the secret `BROKEN` holds a character that can't stand in a header");
}

#[tokio::test]
async fn every_form_of_a_private_address_is_refused() {
    let (port, seen) = upstream(|_, _, _| "secret").await;
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "①②⑦.⓪.⓪.①",
        "localhost",
    ];
    for host in hosts {
        let config =
            ClientConfig { retries: 0, ..ClientConfig::new("crm", Base::Url(format!("http://{host}:{port}/"))) };
        let (class, message) = refused(&client(config), get("/")).await;
        assert_eq!(class, Class::Refused, "{host}: {message}");
        assert!(message.contains("not on the public internet"), "{host}: {message}");
    }
    assert!(seen.lines().is_empty());
    let denied = Client::new(private("http://10.0.0.1/".into()), secrets(), Arc::new(Policy::none())).unwrap_err();
    assert_eq!(denied, Denied { grant: Grant::PrivateNetworks });
}

#[tokio::test]
async fn a_name_that_means_a_private_address_is_refused_whenever_it_does() {
    let (port, seen) = upstream(|_, _, _| "secret").await;
    let base = format!("http://rebind.example:{port}/");
    let check = async |answers: &[&[&str]], expected: &[Class]| {
        let mut config = ClientConfig::new("crm", Base::Url(base.clone()));
        (config.retries, config.connect_timeout) = (0, Duration::from_millis(50));
        let names = Names::with("rebind.example", answers);
        let client = Client::with_resolver(config, secrets(), &Policy::operator(), names).unwrap();
        for class in expected {
            let (got, message) = refused(&client, get("/")).await;
            assert_eq!(got, *class, "{answers:?}: {message}");
        }
    };
    check(&[&["127.0.0.1"]], &[Class::Refused]).await;
    check(&[&["192.0.2.1"]], &[Class::Refused]).await;
    // One good answer makes the bad one no better.
    check(&[&["1.1.1.1", "127.0.0.1"]], &[Class::Refused]).await;
    check(&[&["::ffff:127.0.0.1"]], &[Class::Refused]).await;
    // First public, where nothing of ours answers, then rebound.
    check(&[&["240.0.0.1"], &["127.0.0.1"]], &[Class::Refused, Class::Refused]).await;
    check(&[&["1.0.0.0"], &["127.0.0.1"]], &[Class::Unavailable, Class::Refused]).await;
    assert!(seen.lines().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_only() {
    let (other, other_seen) = upstream(|_, _, _| "other").await;
    let (port, seen) = upstream(move |_, target, _| match target {
        "/to-get" => redirect(303, "/end"),
        "/keep" => redirect(307, "/end"),
        "/loop" => redirect(302, "/loop"),
        "/other" => redirect(307, &format!("http://127.0.0.1:{other}/x")),
        "/inside" => redirect(302, "http://169.254.169.254/latest/meta-data"),
        _ => "end".into_response(),
    })
    .await;
    let base = format!("http://127.0.0.1:{port}");
    let auth = Auth::Bearer { secret: "TOKEN".into() };
    let strict = client(ClientConfig { auth: auth.clone(), ..private(base.clone()) });
    let post = |path: &str| {
        let mut request = Request::new(Method::POST, path);
        request.body = Some(Bytes::from_static(b"body"));
        request.headers.insert("content-type", "text/plain".parse().unwrap());
        request.headers.insert("cookie", "a=b".parse().unwrap());
        request
    };
    assert_eq!(&strict.send(post("/to-get")).await.unwrap().body[..], b"end");
    assert_eq!(&strict.send(post("/keep")).await.unwrap().body[..], b"end");
    let host = format!("host=127.0.0.1:{port} authorization=Bearer s3cret cookie=a=b");
    assert_eq!(seen.lines()[1], format!("GET /end {host} []"));
    assert_eq!(seen.lines()[3], format!("POST /end {host} content-type=text/plain [body]"));

    let (class, message) = refused(&strict, get("/loop")).await;
    assert_eq!((class, message), (Class::Refused, format!("`127.0.0.1:{port}` redirects more than 5 times")));
    for (path, place) in [("/other", format!("127.0.0.1:{other}")), ("/inside", "169.254.169.254".to_owned())] {
        let (class, message) = refused(&strict, get(path)).await;
        assert_eq!(class, Class::Refused);
        assert!(message.contains(&format!("it redirects to `{place}`")), "{message}");
    }
    assert!(other_seen.lines().is_empty());

    let wider = client(ClientConfig { auth, allow_hosts: vec![format!("127.0.0.1:{other}")], ..private(base) });
    assert_eq!(&wider.send(post("/other")).await.unwrap().body[..], b"other");
    assert_eq!(other_seen.lines(), [format!("POST /x host=127.0.0.1:{other} content-type=text/plain [body]")]);
}

#[tokio::test]
async fn only_idempotent_requests_are_tried_again_and_only_where_it_may_help() {
    let flaky = |status: u16, wait: &'static str| {
        move |_: &Method, _: &str, count: usize| match count % 3 {
            2 => "ok".into_response(),
            _ => (StatusCode::from_u16(status).unwrap(), [(header::RETRY_AFTER, wait)]).into_response(),
        }
    };
    let check = async |status, wait, method: Method, expected: u16, sent: usize| {
        let (port, seen) = upstream(flaky(status, wait)).await;
        let client = client(private(format!("http://127.0.0.1:{port}")));
        let response = client.send(Request::new(method.clone(), "/")).await.unwrap();
        assert_eq!((response.status.as_u16(), seen.lines().len()), (expected, sent), "{status} {method}");
    };
    for status in [429, 502, 503, 504] {
        check(status, "0", Method::GET, 200, 3).await;
    }
    check(503, "0", Method::PUT, 200, 3).await;
    check(503, "0", Method::DELETE, 200, 3).await;
    check(503, "0", Method::POST, 503, 1).await;
    check(503, "0", Method::PATCH, 503, 1).await;
    check(500, "0", Method::GET, 500, 1).await;
    check(404, "0", Method::GET, 404, 1).await;
    // Longer than the call may take: the answer is given as it is.
    check(503, "3600", Method::GET, 503, 1).await;
}

#[tokio::test]
async fn a_body_is_cut_or_refused_at_its_limit() {
    let (port, _) = upstream(|_, target, _| {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1000])));
        if target == "/endless" {
            Body::from_stream(endless).into_response()
        } else {
            "x".repeat(5_000).into_response()
        }
    })
    .await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    for path in ["/endless", "/known"] {
        let response = client.send(Request { max_bytes: 2_500, ..get(path) }).await.unwrap();
        assert_eq!((response.body.len(), response.truncated), (2_500, true));
        let request = Request { max_bytes: 2_500, oversize: Oversize::Refuse, ..get(path) };
        let expected = format!("the answer of `127.0.0.1:{port}` is larger than 2500 bytes");
        assert_eq!(refused(&client, request).await, (Class::BadResponse, expected));
    }
    let whole = client.send(Request { max_bytes: 5_000, ..get("/known") }).await.unwrap();
    assert_eq!((whole.body.len(), whole.truncated), (5_000, false));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_wherever_it_is() {
    let (port, _) = upstream(|_, target, _| {
        let never = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        if target == "/body" { Body::from_stream(never).into_response() } else { redirect(302, "/body") }
    })
    .await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    for path in ["/body", "/redirect"] {
        let request = Request { timeout: Some(Duration::from_millis(200)), ..get(path) };
        let expected = format!("`127.0.0.1:{port}` did not answer within 0.2s");
        assert_eq!(refused(&client, request).await, (Class::Timeout, expected));
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_named_without_anything_secret() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let auth = Auth::Query { name: "key".into(), secret: "TOKEN".into() };
    let mut config = ClientConfig { auth, ..private(format!("http://127.0.0.1:{port}")) };
    config.retry_backoff = (Duration::from_millis(1), Duration::from_millis(1));
    let (class, message) = refused(&client(config), get("/a")).await;
    assert_eq!(class, Class::Unavailable);
    assert!(message.starts_with(&format!("`127.0.0.1:{port}` can't be reached: ")), "{message}");
    let names = Names::with("known.example", &[&["1.1.1.1"]]);
    let config = ClientConfig { retries: 0, ..ClientConfig::new("crm", Base::Url("http://unknown.example".into())) };
    let client = Client::with_resolver(config, secrets(), &Policy::operator(), names).unwrap();
    let expected = "`unknown.example` can't be reached: the name can't be resolved";
    assert_eq!(refused(&client, get("/")).await, (Class::Unavailable, expected.into()));
}

#[tokio::test]
async fn nothing_in_a_request_changes_what_it_is() {
    let (port, seen) = upstream(|_, _, _| "ok").await;
    let client = client(private(format!("http://127.0.0.1:{port}/api")));
    let paths =
        ["a", "/a/../b", "/%2e%2e/b", "/.%2E/b", "/a/.", "/a?b", "/a#b", "/a b", "/a\\..\\b", "/a\r\nX: y", "//../x"];
    for path in paths {
        assert_eq!(refused(&client, get(path)).await.0, Class::BadRequest, "{path:?}");
    }
    for name in ["host", "connection", "content-length", "transfer-encoding", "proxy-authorization", "upgrade"] {
        let mut request = get("/");
        request.headers.insert(name, "x".parse().unwrap());
        assert_eq!(refused(&client, request).await.0, Class::BadRequest, "{name}");
    }
    let mut many = get("/");
    many.headers.insert("x-large", "x".repeat(70_000).parse().unwrap());
    assert_eq!(refused(&client, many).await.0, Class::BadRequest);
    assert!(seen.lines().is_empty());
    for path in ["//evil.example/x", "/a/%2F..%2F/b", "/...", "/%00"] {
        client.send(get(path)).await.unwrap();
        assert!(seen.lines().pop().unwrap().starts_with(&format!("GET /api{path} host=127.0.0.1")), "{path}");
    }
}

#[tokio::test]
async fn a_base_that_can_not_be_used_is_told() {
    let check = async |base: &str, message: &str| {
        let client = client(ClientConfig::new("crm", Base::Url(base.into())));
        assert_eq!(refused(&client, get("/")).await, (Class::Configuration, message.into()), "{base}");
    };
    check("nonsense", "the URL of `crm` is not a URL").await;
    check("ftp://example.com", "the URL of `crm` is not of http or https").await;
    check("https://u:s3cret@example.com", "the URL of `crm` holds a user or password; use `auth` instead").await;
}

#[tokio::test]
async fn an_upstream_that_can_not_prove_who_it_is_gets_nothing() {
    use tokio_rustls::rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    };
    let certificate = Certificate::generate();
    let chain = vec![CertificateDer::from_pem_file(certificate.certificate()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        acceptor.accept(listener.accept().await.unwrap().0).await.map(|_| ())
    });
    let config = ClientConfig { retries: 0, ..private(format!("https://127.0.0.1:{port}")) };
    let (class, message) = refused(&client(config), get("/")).await;
    assert_eq!(class, Class::Unavailable);
    assert!(message.contains("invalid peer certificate: UnknownIssuer"), "{message}");
    assert!(server.await.unwrap().is_err());
}

#[tokio::test]
async fn a_credential_that_an_upstream_repeats_can_be_taken_out_of_a_text() {
    let (port, _) = upstream(|_, _, _| "ok").await;
    let secret = || "TOKEN_TO_REPEAT".to_owned();
    let ways = [
        (Auth::Bearer { secret: secret() }, "no such token: abc.def-123"),
        (
            Auth::Basic { user_secret: secret(), password_secret: secret() },
            "wrong: abc.def-123 YWJjLmRlZi0xMjM6YWJjLmRlZi0xMjM=",
        ),
        (Auth::Header { name: "X-API-Key".into(), secret: secret() }, "abc.def-123abc.def-123"),
        (Auth::Query { name: "key".into(), secret: secret() }, "?key=abc.def-123"),
    ];
    for (auth, said) in ways {
        let config = ClientConfig { auth, ..private(format!("http://127.0.0.1:{port}")) };
        let secrets: FixedSecrets = [("TOKEN_TO_REPEAT", "abc.def-123")].into_iter().collect();
        let client = Client::new(config, Arc::new(secrets), Arc::new(Policy::operator())).unwrap();
        let shown = client.open(get("/")).await.unwrap().redact(said);
        assert!(!shown.contains("abc") && !shown.contains("YWJj") && shown.contains("[redacted]"), "{shown}");
    }
}
