#![no_main]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use mcp_factory_fuzz::http::{Answer, Front};
use mcp_serve::{
    ApiKeys, BoxFuture, Bridge, BridgeKey, BridgeOptions, Fetch, FetchBounds, FetchError, KeyList, http::Config,
};

const KEY: &str = "key-of-alice-that-nobody-guesses";
const CALLBACK: &str = "https://a.example/cb";
/// And its S256.
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123456789";
const CHALLENGE: &str = "KqzFVVoj1xIeRMaYoKBsIWuO4_VBBpZdnQDgP3WuG_k";

/// No client has a document.
#[derive(Debug)]
struct Nowhere;

impl Fetch for Nowhere {
    fn fetch(&self, _: Request<Bytes>, _: FetchBounds) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async { Err(FetchError::Unreachable("nowhere".into())) })
    }
}

fn front() -> Front {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEY).expect("keys"));
    let options = BridgeOptions {
        key: BridgeKey::new(b"nobody knows"),
        documents: Some(std::sync::Arc::new(Nowhere)),
        scopes: vec!["read".to_owned()],
        ..BridgeOptions::new("fuzzed", "https://mcp.example.com/mcp".parse().expect("a URL"))
    };
    let bridge = Bridge::new(std::sync::Arc::new(keys), options).expect("a bridge");
    let config = Config {
        routes: bridge.routes(),
        allowed_hosts: vec!["mcp.example.com".to_owned()],
        allowed_origins: vec!["https://mcp.example.com".to_owned()],
        ..Config::default()
    };
    Front::new(bridge, config)
}

const FORM: &str =
    "Host: mcp.example.com\nContent-Type: application/x-www-form-urlencoded\nOrigin: https://mcp.example.com\n\n";

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map_or("", |(found, _)| found)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What a program and a person get who do it right, to be put where the input says `$CLIENT`, `$REQUEST`, `$CODE` and so
/// on: nobody makes such a thing by chance.
fn dance(front: &Front) -> [(&'static str, String); 5] {
    let ask = |request: String| front.ask(request.as_bytes()).expect("a request");
    let registered = ask(format!(
        "POST /oauth/register\nHost: mcp.example.com\nContent-Type: application/json\n\n{{\"redirect_uris\":[\"{CALLBACK}\"]}}"
    ));
    let client = between(&text(&registered), "\"client_id\":\"", "\"").to_owned();
    let consent = || {
        let page = ask(format!(
            "GET /oauth/authorize?response_type=code&client_id={client}&redirect_uri={CALLBACK}&code_challenge={CHALLENGE}&code_challenge_method=S256\nHost: mcp.example.com\n\n"
        ));
        let request = between(&text(&page), "name=\"request\" value=\"", "\"").to_owned();
        let agreed = ask(format!("POST /oauth/authorize\n{FORM}request={request}&key={KEY}&decision=allow"));
        let location = agreed.headers.get("location").map_or("", |it| it.to_str().expect("text"));
        (request, between(location, "code=", "&").to_owned())
    };
    let (_, used) = consent();
    let tokens = ask(format!(
        "POST /oauth/token\n{FORM}grant_type=authorization_code&code={used}&client_id={client}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    ));
    let tokens = text(&tokens);
    let access = between(&tokens, "\"access_token\":\"", "\"").to_owned();
    let refresh = between(&tokens, "\"refresh_token\":\"", "\"").to_owned();
    let (request, code) = consent();
    for (what, value) in [("client", &client), ("request", &request), ("code", &code), ("tokens", &refresh)] {
        assert!(!value.is_empty(), "the dance gave no {what}: {tokens}");
    }
    [("$CLIENT", client), ("$REQUEST", request), ("$CODE", code), ("$ACCESS", access), ("$REFRESH", refresh)]
}

thread_local! {
    static STRANGER: Front = front();
}

// Whatever comes to the authorization server and to the endpoint behind it. The person's key comes out nowhere, and who
// was given nothing gets nothing.
fuzz_target!(|input: &[u8]| {
    let asks_for = |name: &str| input.windows(name.len()).any(|part| part == name.as_bytes());
    if !["$CLIENT", "$REQUEST", "$CODE", "$ACCESS", "$REFRESH"].into_iter().any(asks_for) {
        STRANGER.with(|front| {
            let Some(answer) = front.ask(input) else { return };
            nothing_leaks(&answer);
            let said = text(&answer);
            assert!(!said.contains("access_token\":\"") && !said.contains("\"result\""), "{said}");
        });
        return;
    }
    let front = front();
    let Ok(mut request) = String::from_utf8(input.to_vec()) else { return };
    let given = dance(&front);
    for (name, value) in &given {
        request = request.replace(name, value);
    }
    if request.len() > 64 * 1024 {
        return;
    }
    let Some(answer) = front.ask(request.as_bytes()) else { return };
    nothing_leaks(&answer);
    let said = text(&answer);
    if answer.status == StatusCode::OK && said.contains("\"result\"") {
        assert!(asks_for("$ACCESS"), "a call with no token: {said}");
    }
    if said.contains("access_token\":\"") {
        assert!(asks_for("$CODE") && asks_for(VERIFIER) || asks_for("$REFRESH"), "tokens for nothing: {said}");
    }
});

fn nothing_leaks(answer: &Answer) {
    assert!(!text(answer).contains(KEY));
    assert!(
        answer.headers.values().all(|value| !value.as_bytes().windows(KEY.len()).any(|part| part == KEY.as_bytes()))
    );
}
