//! The page on which a person decides on a call.

use http::{Method, Request};
use mcp_serve::{ApiKeys, Approval, ApprovalRequest, Approvals, KeyList, NoAuthentication, Principal, http::Config};
use serde_json::{Map, json};

use crate::support::{Reply, Running};

const KEYS: &str = r#"{
    "key-of-alice": {"principal": "alice", "groups": ["managers"]},
    "key-of-bob": {"principal": "bob"},
    "key-of-mona": {"principal": "mona", "groups": ["managers"]},
    "key-of-mole": {"principal": "mole", "tenant": "other", "groups": ["managers"]}
}"#;

struct Place {
    approvals: Approvals,
    running: Running,
    by: Option<&'static str>,
}

impl Place {
    async fn open() -> Self {
        let approvals = Approvals::default();
        let config = Config { routes: approvals.routes(), ..Config::default() };
        let running = Running::with(config, NoAuthentication::default()).await;
        Self::at(approvals, running, None)
    }

    async fn of_managers() -> Self {
        let approvals = Approvals::default();
        let config = Config { routes: approvals.routes(), ..Config::default() };
        let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"));
        let running = Running::with(config, keys).await;
        Self::at(approvals, running, Some("managers"))
    }

    fn at(approvals: Approvals, running: Running, by: Option<&'static str>) -> Self {
        approvals.serve_at(format!("http://{}", running.address).parse().expect("a URL"));
        Self { approvals, running, by }
    }

    async fn ask(&self) -> Approval {
        let arguments: Map<_, _> =
            [("note".to_owned(), json!("<script>alert(1)</script>\u{202e}"))].into_iter().collect();
        let request = ApprovalRequest {
            server: "shop & co",
            tool: "remove",
            message: "Remove \"7\"?\nIt is gone then.",
            arguments: &arguments,
            caller: &Principal::trusted("alice"),
            by: self.by,
            of: "1",
        };
        self.approvals.ask(&request).await.expect("can be asked")
    }

    /// The path of the link.
    async fn link(&self) -> String {
        match self.ask().await {
            Approval::Waiting { url, .. } => url.parse::<http::Uri>().expect("a URL").path().to_owned(),
            other => panic!("a link, not {other:?}"),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.running.ask(self.at_path(path, Method::GET, &[], "")).await
    }

    fn at_path(&self, path: &str, method: Method, headers: &[(&str, &str)], body: &str) -> Request<String> {
        let mut request = self.running.request(method, headers, body);
        *request.uri_mut() = path.parse().expect("a path");
        request
    }

    /// What the page's form holds against forged ones.
    async fn form(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{page:?}");
        page.text.split_once("name=\"form\" value=\"").expect("a form").1.split_once('"').expect("its end").0.to_owned()
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        let origin = format!("http://{}", self.running.address);
        self.post_from(path, &origin, body).await
    }

    async fn post_from(&self, path: &str, origin: &str, body: &str) -> Reply {
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        self.running.ask(self.at_path(path, Method::POST, &headers, body)).await
    }
}

#[tokio::test]
async fn the_page_says_what_will_happen_and_opening_it_decides_nothing() {
    let place = Place::open().await;
    let link = place.link().await;
    for _ in 0..3 {
        let page = place.get(&link).await;
        assert_eq!(page.status, 200);
        for text in [
            "shop &amp; co",
            "<code>remove</code>",
            "Remove &quot;7&quot;?\nIt is gone then.",
            "&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}",
            "alice",
            "in 15 minutes",
            "whoever has this link",
        ] {
            assert!(page.text.contains(text), "{text} in {}", page.text);
        }
        assert!(!page.text.contains("<script") && !page.text.contains('\u{202e}'));
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value);
        }
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    let head = place.running.ask(place.at_path(&link, Method::HEAD, &[], "")).await;
    assert_eq!(head.status, 200);
    assert!(matches!(place.ask().await, Approval::Waiting { .. }));
}

#[tokio::test]
async fn a_person_approves_once_or_declines() {
    let place = Place::open().await;
    let link = place.link().await;
    let form = place.form(&link).await;
    let said = place.post(&link, &format!("form={form}&decision=approve")).await;
    assert!(said.status == 200 && said.text.contains("is approved"), "{said:?}");
    let again = place.post(&link, &format!("form={form}&decision=decline")).await;
    assert!(again.text.contains("is approved"), "the first decision stands: {again:?}");
    assert!(place.get(&link).await.text.contains("is approved"));
    let Approval::Approved(ticket) = place.ask().await else { panic!("approved") };
    assert!(ticket.redeem());
    assert_eq!(place.get(&link).await.status, 404);

    let link = place.link().await;
    let form = place.form(&link).await;
    assert!(place.post(&link, &format!("form={form}&decision=decline")).await.text.contains("is declined"));
    assert!(matches!(place.ask().await, Approval::Declined));
    assert_eq!(place.post(&link, &format!("form={form}&decision=approve")).await.status, 404);
}

#[tokio::test]
async fn only_the_page_itself_decides() {
    let place = Place::open().await;
    let link = place.link().await;
    let form = place.form(&link).await;
    let body = format!("form={form}&decision=approve");
    for origin in ["https://evil.example", "http://localhost:1", "null", ""] {
        assert_eq!(place.post_from(&link, origin, &body).await.status, 403, "{origin:?}");
    }
    for body in [
        "decision=approve".to_owned(),
        format!("form=x{form}&decision=approve"),
        format!("form={form}"),
        format!("form={form}&decision=yes"),
        String::new(),
    ] {
        assert!(place.post(&link, &body).await.status.is_client_error(), "{body}");
    }
    let query = format!("{link}?{body}");
    assert_eq!(place.get(&query).await.status, 200);
    assert_eq!(place.post("/approve/AAAA", &body).await.status, 404);
    assert!(place.post(&link, &"x".repeat(20_000)).await.status.is_client_error());
    assert!(matches!(place.ask().await, Approval::Waiting { .. }), "none of that was a decision");
    assert_eq!(place.get("/approve/").await.status, 404);
    assert_eq!(place.get("/approve/nonsense").await.status, 404);
}

#[tokio::test]
async fn only_somebody_else_of_the_group_approves() {
    let place = Place::of_managers().await;
    let link = place.link().await;
    let form = place.form(&link).await;
    assert!(place.get(&link).await.text.contains("somebody else, of the group <b>managers</b>"));
    for (key, status, why) in [
        ("", 401, "not known"),
        ("wrong", 401, "not known"),
        ("key%0Aof", 401, "not known"),
        ("key-of-alice", 403, "who asks"),
        ("key-of-bob", 403, "not of the group"),
        ("key-of-mole", 403, "not of the group"),
    ] {
        let said = place.post(&link, &format!("form={form}&decision=approve&key={key}")).await;
        assert!(said.status == status && said.text.contains(why), "{key}: {said:?}");
        assert!(key.is_empty() || !said.text.contains(key), "keys are never shown");
    }
    assert!(matches!(place.ask().await, Approval::Waiting { .. }));
    let said = place.post(&link, &format!("form={form}&decision=approve&key=+key-of-mona+")).await;
    assert!(said.text.contains("is approved"), "{said:?}");
    assert!(matches!(place.ask().await, Approval::Approved(_)));
}

#[tokio::test]
async fn whoever_tries_keys_ends_the_link() {
    let place = Place::of_managers().await;
    let link = place.link().await;
    let form = place.form(&link).await;
    for _ in 0..10 {
        place.post(&link, &format!("form={form}&decision=approve&key=wrong")).await;
    }
    let said = place.post(&link, &format!("form={form}&decision=approve&key=key-of-mona")).await;
    assert_eq!(said.status, 404, "{said:?}");
}

#[tokio::test]
async fn the_page_opens_on_loopback_where_nothing_else_is_served() {
    let approvals = Approvals::default();
    approvals.open_on_loopback(None);
    let elsewhere = Running::start().await;
    let mut place = Place { approvals, running: elsewhere, by: None };
    let Approval::Waiting { url, .. } = place.ask().await else { panic!("a link") };
    let url: http::Uri = url.parse().expect("a URL");
    place.running.address = url.authority().expect("an address").as_str().parse().expect("an address");
    let form = place.form(url.path()).await;
    let said = place.post(url.path(), &format!("form={form}&decision=approve")).await;
    assert!(said.text.contains("is approved"), "{said:?}");
    let tools = place.running.ask_modern("tools/list", json!({})).await;
    assert_eq!(tools.error(), (404, -32601), "nothing else is there");
    assert!(matches!(place.ask().await, Approval::Approved(_)));
}
