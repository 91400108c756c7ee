//! Files are read strictly.

use serde_json::json;

use super::*;
use crate::{KeyList, NoAuthentication, toolsets::Mode};

fn refused(config: Value) -> String {
    McpServerConfig::from_json(&config.to_string()).expect_err("is refused").to_string()
}

/// S3-10, X-7: in every struct of the file.
#[test]
fn an_unknown_field_is_an_error_that_says_what_was_meant() {
    for (config, meant) in [
        (json!({ "startUp": {} }), Some("startup")),
        (json!({ "exposure_policy": {} }), Some("exposurePolicy")),
        (json!({ "exposurePolicy": { "allowList": [] } }), Some("allowlist")),
        (json!({ "exposurePolicy": { "maxActive": 1 } }), Some("maxActiveToolsets")),
        (json!({ "http": { "basepath": "/" } }), Some("basePath")),
        (json!({ "quark": 1 }), None),
    ] {
        let error = refused(config.clone());
        let said = meant.is_none_or(|meant| error.contains(&format!("did you mean `{meant}`?")));
        assert!(error.starts_with("unknown field `") && said, "{config}: {error}");
        assert_eq!(error.contains("did you mean"), meant.is_some(), "{config}: {error}");
    }
    let startup = refused(json!({ "startup": { "initialToolsets": ["a"] } }));
    let text = r#"Invalid startup configuration: there is no `initialToolsets`; did you mean `toolsets`?. Hint: Common mistake - use "toolsets" not "initialToolsets""#;
    assert!(startup.starts_with(text), "{startup}");
    assert!(refused(json!({ "startup": { "mode": "ALL" } })).starts_with("Invalid startup configuration: "));
}

/// S3-12: the file has no `startup`, and says why.
#[test]
fn a_permission_based_file_must_not_say_what_is_on_from_the_start() {
    let read = |config: Value| PermissionBasedConfig::from_json(&config.to_string());
    let text = "Permission-based servers determine toolsets from client permissions. The 'startup' option is not allowed. Remove it from your configuration.";
    for startup in [json!({ "mode": "STATIC" }), json!({ "nonsense": 1 }), json!("ALL")] {
        let error = read(json!({ "startup": startup })).expect_err("is refused").to_string();
        assert!(error.starts_with(text), "{error}");
    }
    let error = read(json!({ "permission": {} })).expect_err("is refused").to_string();
    assert!(error.contains("did you mean `permissions`?"), "{error}");
    let read = read(json!({ "permissions": { "source": "config", "staticMap": { "alice": ["a"] } } })).expect("reads");
    let map = HashMap::from([("alice".to_owned(), vec!["a".to_owned()])]);
    let expected = PermissionsConfig::Config { static_map: Some(map), default_permissions: Vec::new() };
    assert_eq!(read.permissions, Some(expected), "S3-60: the default is nothing");
}

/// S3-60.
#[test]
fn permissions_have_the_names_of_the_pattern() {
    let read = |permissions: Value| {
        PermissionBasedConfig::from_json(&json!({ "permissions": permissions }).to_string()).map(|it| it.permissions)
    };
    let headers = read(json!({ "source": "headers" })).expect("reads");
    assert_eq!(headers, Some(PermissionsConfig::Headers { header_name: "mcp-toolset-permissions".to_owned() }));
    for wrong in [
        json!({ "source": "cookies" }),
        json!({}),
        json!({ "source": "headers", "staticMap": {} }),
        json!({ "source": "config", "staticMap": { "alice": "a" } }),
        json!({ "source": "config", "staticMap": ["a"] }),
        json!({ "source": "config", "defaultPermissions": "a" }),
        json!({ "source": "config", "resolver": "x" }),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}

/// S3-70. W2-8: every page could call, and everybody on the network.
#[test]
fn defaults_are_those_of_the_pattern_but_closed() {
    let config = McpServerConfig::from_json("{}").expect("reads");
    assert_eq!((&*config.http.host, config.http.port, &*config.http.base_path), ("127.0.0.1", 3000, "/"));
    assert!(!config.http.cors && !config.http.logger);
    assert_eq!((config.modern, config.startup), (Modern::Handle, None));
    let applied = |http: Value| {
        let http: HttpConfig = serde_json::from_value(http).expect("reads");
        http.apply(http::Config::default(), &NoAuthentication::default())
    };
    let default = applied(json!({})).expect("fits");
    assert_eq!((&*default.path, default.allowed_origins.len()), ("/mcp", 0));
    assert_eq!(applied(json!({ "basePath": "/api" })).expect("fits").path, "/api/mcp");
    for (http, error) in [
        (json!({ "basePath": "api" }), HttpConfigError::BasePath),
        (json!({ "basePath": "/api/" }), HttpConfigError::BasePath),
        (json!({ "cors": true }), HttpConfigError::NoOrigins),
        (json!({ "cors": true, "corsOrigins": ["*"] }), HttpConfigError::AnyOrigin),
        (json!({ "corsOrigins": ["https://a.example"] }), HttpConfigError::OriginsWithoutCors),
    ] {
        assert_eq!(applied(http.clone()).expect_err("is refused"), error, "{http}");
    }
    let pages = applied(json!({ "cors": true, "corsOrigins": ["https://a.example"] })).expect("fits");
    assert_eq!(pages.allowed_origins, ["https://a.example"]);
    let open = applied(json!({ "host": "0.0.0.0" }));
    assert!(matches!(open, Err(HttpConfigError::Http(ConfigError::OpenToOthers { .. }))));
    let keys =
        crate::BearerTokens::new(KeyList::parse(r#"{"a-key-of-alice-0123456789abcdef": "alice"}"#).expect("keys"));
    let all = HttpConfig { host: "0.0.0.0".to_owned(), ..HttpConfig::default() };
    assert!(all.apply(http::Config::default(), &keys).is_ok());
}

#[test]
fn a_whole_file_is_read() {
    let config = McpServerConfig::from_json(
        r#"{
            "name": "shop", "version": "2.0.0",
            "startup": { "mode": "STATIC", "toolsets": "ALL" },
            "exposurePolicy": { "maxActiveToolsets": 2, "namespaceToolsWithSetKey": false, "allowlist": ["a"], "denylist": ["b"] },
            "registerMetaTools": true, "modern": "search",
            "http": { "host": "::1", "port": 0, "basePath": "/api", "logger": true },
            "configSchema": { "type": "object" }, "strict": true
        }"#,
    )
    .expect("reads");
    assert_eq!(config.startup.expect("is there").mode, Some(Mode::Static));
    let policy = config.exposure_policy.expect("is there").policy(None);
    assert_eq!((policy.max_active, policy.namespace), (Some(2), false));
    assert_eq!((policy.allow.as_deref(), &*policy.deny), (Some(&["a".to_owned()][..]), &["b".to_owned()][..]));
}

/// S3-15: what is left out says nothing, what is said counts as it is said, however small, and nothing is taken for something
/// of another kind.
#[test]
fn what_is_left_out_is_not_said_and_what_is_said_is_not_bent() {
    let read = |config: Value| McpServerConfig::from_json(&config.to_string());
    let nothing = read(json!({})).expect("reads");
    assert_eq!((&nothing.startup, &nothing.exposure_policy, nothing.register_meta_tools), (&None, &None, None));
    assert!(nothing.session_context.is_none() && nothing.config_schema.is_none());
    let defaults = ExposurePolicy::default();
    let policy = |policy: Value| serde_json::from_value::<PolicyConfig>(policy).expect("reads").policy(None);
    let left_out = policy(json!({}));
    assert_eq!(
        (left_out.allow, left_out.deny, left_out.max_active, left_out.namespace),
        (defaults.allow, defaults.deny, defaults.max_active, defaults.namespace)
    );

    let small = policy(json!({
        "maxActiveToolsets": 0, "namespaceToolsWithSetKey": false, "allowlist": [], "denylist": []
    }));
    assert_eq!((small.max_active, small.namespace, small.allow, small.deny), (Some(0), false, Some(vec![]), vec![]));
    let small = read(json!({
        "name": "", "registerMetaTools": false, "startup": {}, "configSchema": {}, "http": { "port": 0 }
    }))
    .expect("reads");
    assert_eq!((&*small.name, small.register_meta_tools, small.http.port), ("", Some(false), 0));
    assert_eq!((small.startup, small.config_schema), (Some(Startup::default()), Some(Map::new())));

    for bent in [
        json!({ "name": 7 }),
        json!({ "registerMetaTools": "true" }),
        json!({ "registerMetaTools": 1 }),
        json!({ "strict": "false" }),
        json!({ "exposurePolicy": { "maxActiveToolsets": "2" } }),
        json!({ "exposurePolicy": { "maxActiveToolsets": -1 } }),
        json!({ "exposurePolicy": { "allowlist": "a" } }),
        json!({ "http": { "port": "3000" } }),
        json!({ "http": { "port": 65_536 } }),
        json!({ "http": { "cors": 0 } }),
        json!({ "http": { "corsOrigins": "https://a.example" } }),
    ] {
        assert!(read(bent.clone()).is_err(), "{bent}");
    }
}
