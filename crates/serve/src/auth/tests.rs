use http::StatusCode;

use super::*;
use crate::Scopes;

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("request").into_parts().0
}

fn authenticate(authenticator: &dyn Authenticator, headers: &[(&str, &str)]) -> Result<Arc<Principal>, StatusCode> {
    match authenticator.authenticate(&head(headers)) {
        Authentication::Ready(outcome) => outcome.map_err(|challenge| challenge.status),
        Authentication::Pending(_) => panic!("lists answer at once"),
    }
}

fn keys(text: &str) -> ApiKeys {
    ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(text).expect("key list"))
}

#[test]
fn keys_of_a_comma_list_are_principals_with_stable_names() {
    let keys = keys("first-key-1, second-key-2");
    let first = authenticate(&keys, &[("x-api-key", "first-key-1")]).expect("known");
    let second = authenticate(&keys, &[("X-API-Key", "second-key-2")]).expect("known");
    assert_ne!(first.id, second.id);
    assert_eq!(first.id, first.token.as_ref().expect("token").to_string());
    assert!(!first.id.contains("first"));
    let again = self::keys("first-key-1");
    assert_eq!(authenticate(&again, &[("x-api-key", "first-key-1")]).expect("known").id, first.id);
    assert_eq!(first.scopes, Scopes::Only(Default::default()));
}

#[test]
fn an_object_names_principals_and_what_they_carry() {
    let keys = keys(
        r#"{"key-of-acme": {"principal": "acme", "tenant": "acme-inc", "groups": ["eng"], "scopes": ["inventory:read"]},
            "key-of-bob": "bob"}"#,
    );
    let acme = authenticate(&keys, &[("x-api-key", "key-of-acme")]).expect("known");
    assert_eq!((acme.id.as_str(), acme.tenant.as_deref()), ("acme", Some("acme-inc")));
    assert_eq!(acme.groups, ["eng"]);
    assert!(acme.scopes.allow("inventory:read") && !acme.scopes.allow("inventory:write"));
    assert_eq!(authenticate(&keys, &[("x-api-key", "key-of-bob")]).expect("known").id, "bob");
}

#[test]
fn wrong_lists_are_refused_without_showing_a_key() {
    for (list, message) in [
        ("", "the key list is empty"),
        ("  ", "the key list is empty"),
        ("{}", "the key list is empty"),
        ("a-long-key,,b", "key 2 is empty"),
        ("a-long-key,a-long-key", "key 2 is in the list twice"),
        (r#"{"a-long-key":"x","a-long-key":"y"}"#, "key 2 is in the list twice"),
        (r#"{"":"x"}"#, "key 1 is empty"),
        (r#"{"a-long-key":""}"#, "key 1 has an empty principal"),
        (r#"{"a-long-key":5}"#, "starts like JSON"),
        (r#"{"a-long-key":{"principal":"x","admin":true}}"#, "starts like JSON"),
        (r#"{"a-long-key""#, "starts like JSON"),
        ("a long key", "no header can carry"),
        ("schlüssel-1", "no header can carry"),
    ] {
        let error = KeyList::parse(list).expect_err(list).to_string();
        assert!(error.contains(message), "{list}: {error}");
        assert!(!error.contains("a-long-key"), "{error}");
    }
}

#[test]
fn only_a_known_key_in_its_own_header_is_a_caller() {
    let keys = keys("right-key-1");
    for headers in [
        &[][..],
        &[("x-api-key", "wrong-key-1")],
        &[("x-api-key", "right-key-")],
        &[("x-api-key", "right-key-1x")],
        &[("x-api-key", "")],
        &[("authorization", "Bearer right-key-1")],
    ] {
        assert_eq!(authenticate(&keys, headers).expect_err("refused"), StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    for headers in [
        &[("x-api-key", "right-key-1"), ("x-api-key", "right-key-1")][..],
        &[("x-api-key", "right-key-1"), ("authorization", "Bearer other")],
    ] {
        assert_eq!(authenticate(&keys, headers).expect_err("refused"), StatusCode::BAD_REQUEST, "{headers:?}");
    }
}

#[test]
fn bearer_tokens_come_in_the_authorization_header() {
    let tokens = BearerTokens::new(KeyList::parse(r#"{"token-1":"bob"}"#).expect("list"));
    assert_eq!(authenticate(&tokens, &[("authorization", "Bearer token-1")]).expect("known").id, "bob");
    assert_eq!(authenticate(&tokens, &[("authorization", "bearer token-1")]).expect("known").id, "bob");
    for headers in [
        &[][..],
        &[("authorization", "Basic token-1")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer token-2")],
    ] {
        assert_eq!(authenticate(&tokens, headers).expect_err("refused"), StatusCode::UNAUTHORIZED, "{headers:?}");
    }
    let twice = [("authorization", "Bearer token-1"), ("authorization", "Bearer token-1")];
    assert_eq!(authenticate(&tokens, &twice).expect_err("refused"), StatusCode::BAD_REQUEST);
}

#[test]
fn a_key_list_never_shows_its_keys() {
    let list = KeyList::parse("very-secret-key").expect("list");
    assert_eq!(format!("{list:?}"), "KeyList(1 keys)");
    assert!(!format!("{:?}", ApiKeys::new(ApiKeys::DEFAULT_HEADER, list)).contains("secret"));
}
