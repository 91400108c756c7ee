use serde_json::json;

use super::*;

fn endpoint(method: Method, path: &str) -> CustomEndpoint {
    CustomEndpoint::new(method, path, async |_| Ok::<_, std::io::Error>(EndpointResponse::json(json!(1))))
}

fn error(endpoints: Vec<CustomEndpoint>) -> String {
    CustomEndpoints::new(endpoints).expect_err("refused").to_string()
}

#[test]
fn what_can_never_be_reached_or_judged_is_told_at_the_start() {
    let get = |path| endpoint(Method::GET, path);
    for path in
        ["reports", "/", "/a//b", "/a/", "/a?b", "/a#b", "/a b", "/a/{}", "/a/{x}y", "/a/{x}/{x}", "/../a", "/{*x}"]
    {
        assert!(error(vec![get(path)]).contains("is no path of an endpoint"), "{path}");
    }
    assert!(error(vec![endpoint(Method::OPTIONS, "/a")]).contains("not to `OPTIONS`"));
    assert!(error(vec![get("/a/{x}"), get("/a/:x")]).contains("`GET /a/{x}` is there twice"));
    assert!(error(vec![get("/a/{x}"), endpoint(Method::PUT, "/a/{y}")]).contains("the same paths"));
    assert!(error(vec![get("/a").body(json!({ "type": "nothing" }))]).contains("the body schema of `GET /a` is none"));
    assert!(error(vec![get("/a").query(json!({ "$ref": "https://example.com/s" }))]).contains("the query schema"));
    assert!(error(vec![get("/a").permission_aware()]).contains("asks for its caller's toolsets"));
    let both = vec![get("/a/{x}"), endpoint(Method::PUT, "/a/:x"), get("/a/b"), get("/a-b/c")];
    CustomEndpoints::new(both).expect("endpoints");
}

/// S3-74, W2-9: the origin takes a prefix for the path and drops what only begins alike.
#[test]
fn reserved_paths_are_taken_as_they_are_written() {
    let of = |path| CustomEndpoints::new([endpoint(Method::GET, path)]).expect("an endpoint");
    for path in ["/tools", "/{any}", "/:any"] {
        let error = of(path).beside(["/tools"]).expect_err(path).to_string();
        assert!(error.contains("would take the reserved path `/tools`"), "{error}");
    }
    for path in ["/toolsets-report", "/tools/all", "/tool", "/tools.json"] {
        of(path).beside(["/tools"]).expect(path);
    }
    let config = |endpoints| crate::http::Config { endpoints, ..crate::http::Config::default() };
    let check =
        |path| config(of(path)).check("127.0.0.1:80".parse().expect("address"), &crate::NoAuthentication::default());
    for path in
        ["/mcp", "/mcp/reading", "/mcp/{x}", "/healthz", "/.well-known/oauth-protected-resource/mcp", "/{a}/{b}"]
    {
        assert!(check(path).expect_err(path).to_string().contains("reserved path"), "{path}");
    }
    for path in ["/mcp-report", "/healthz2", "/mcp/a/b", "/.well-known/other"] {
        check(path).expect(path);
    }
}

#[test]
fn an_endpoint_may_be_below_a_path_of_the_program() {
    for base in ["/api", "/api/"] {
        assert_eq!(endpoint(Method::GET, "/a").under(base).path, "/api/a");
    }
    assert_eq!(endpoint(Method::GET, "/a").under("/").path, "/a");
}
