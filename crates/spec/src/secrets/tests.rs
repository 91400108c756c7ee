use super::*;
use crate::{Format, syntax};

/// What the search underlines, in order.
fn found(text: &str) -> Vec<String> {
    let (root, wrong) = syntax::read(text.as_bytes(), Format::Yaml);
    assert_eq!(wrong, [], "{text}");
    let found = check(text.as_bytes(), &root.expect("a tree"));
    let shown = |one: Diagnostic| text[one.span.start.offset as usize..one.span.end.offset as usize].to_owned();
    found.into_iter().map(shown).collect()
}

#[track_caller]
fn secret(text: &str, expected: &str) {
    assert_eq!(found(text), [expected], "{text}");
}

#[track_caller]
fn no_secret(text: &str) {
    assert_eq!(found(text), [""; 0], "{text}");
}

#[test]
fn a_url_with_a_password_is_a_secret_wherever_it_stands() {
    secret("url: postgres://shop:hunter2@db/shop", "hunter2");
    secret("url: \"redis://:hunter2@db:6379\"", "hunter2");
    secret("description: ask https://me:hunter2@example.com/x, please", "hunter2");
    secret("url: postgres://shop:p@ss@db/shop", "p@ss");
    secret("url: postgres://shop:pa/ss@db/shop", "pa/ss");
    secret("urls: redis://a:6379,redis://:hunter2@b", "hunter2");
    secret("text: |\n  first\n  amqp://guest:guest@mq/\n", "guest");
    secret("argv: [psql, 'postgres://shop:hunter2@db']", "hunter2");
}

#[test]
fn a_url_without_a_password_is_none() {
    no_secret("url: postgres://shop@db.example.com:5432/shop?sslmode=require");
    no_secret("url: https://example.com:8443/users/@me");
    no_secret("url: https://example.com:{port}/users/@me");
    no_secret("url: http://[::1]:80/@x");
    no_secret("description: as in `postgres://user:<password>@host/db` or postgres://user:${PASSWORD}@host");
    no_secret("url: 'https://{user}:{password}@example.com'");
    no_secret("description: mail me@example.com at 10:30");
}

#[test]
fn a_secret_named_key_in_a_query_string_is_a_secret() {
    secret("url: https://example.com/v1?a=1&api_key=8f2c91d7aa&b=2", "8f2c91d7aa");
    secret("url: https://example.com/v1?access_token=x#top", "x");
    secret("url: jdbc:postgresql://db/shop?user=me&password=hunter2", "hunter2");
    no_secret("url: https://example.com/v1?api_key={key}&page_token=abc&key=name&token=");
    no_secret("sql: SELECT * FROM t WHERE token = :token AND a = '?'");
}

#[test]
fn text_under_a_key_named_like_a_secret_is_one() {
    for key in [
        "password",
        "Passwd",
        "secret",
        "token",
        "apiKey",
        "api_key",
        "X-API-Key",
        "Authorization",
        "credentials",
        "privateKey",
        "SERVICE_PASSWORD",
        "client-secret",
        "accessToken",
        "access_key",
        "tokenValue",
        "pwd",
    ] {
        secret(&format!("{key}: hunter2"), "hunter2");
        secret(&format!("json: [{{ {key}: 'hunter2 # x' }}]"), "'hunter2 # x'");
    }
    secret("passwords: [hunter2]", "hunter2");
    secret("Authorization: Basic c2hvcDpodW50ZXIy", "Basic c2hvcDpodW50ZXIy");
    secret("password: { type: string, default: hunter2 }", "hunter2");
    secret("password: { type: string, examples: [hunter2] }", "hunter2");
}

#[test]
fn a_key_that_names_or_describes_a_secret_is_none() {
    for text in [
        "envVar: DATABASE_PASSWORD",
        "secretEnvVar: HS256_SECRET",
        "passwordEnvVar: DATABASE_PASSWORD",
        "tokenUrl: https://login.example.com/token",
        "principalClaim: token",
        "auth: { type: api_key, header: X-API-Key, clientSecretEnvVar: SECRET }",
        "password: true",
        "token: 12",
        "token: ''",
        "secret:",
        "parameters: { token: { type: string, required: true, description: The token that was sent } }",
        "parameters: [{ name: token, type: string }]",
        "required: [password, token]",
        "dependentRequired: { password: [user] }",
        "sort: { tokens: created_at }",
        "maxTokens: many",
        "nextPageToken: abc",
        "progressToken: abc",
        "secretary: Ms Miller",
        "tokenizer: words",
        "password_hint: the usual",
        "passengers: two",
    ] {
        no_secret(text);
    }
}

#[test]
fn a_placeholder_under_such_a_key_is_none() {
    no_secret("body: { password: '{password}', token: \"{auth.token}\" }");
    no_secret("headers: { Authorization: 'Bearer {token}', X-API-Key: ' {principal.claims.key} ' }");
    secret("password: '{not a name}'", "'{not a name}'");
    secret("password: 'hunter{n}'", "'hunter{n}'");
    secret("password: '{'", "'{'");
}

#[test]
fn known_shapes_are_secrets_wherever_they_stand() {
    for key in [
        "sk-aaaaaaaaaaaaaaaaaaaa",
        "sk-proj-Zm9vYmFyYmF6cXV4MTIz",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "gho_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-000000000000-aaaaaaaaaaaa",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    ] {
        secret(&format!("description: Call it with ({key}), please"), key);
        secret(&format!("argv: [run, \"--key={key}\"]"), key);
        secret(&format!("{key}: principal"), key);
    }
    secret("description: and sk-aaaaaaaaaaaaaaaaaaaa # comment", "sk-aaaaaaaaaaaaaaaaaaaa");
    let block = "text: |\n  -----BEGIN RSA PRIVATE KEY-----\n  MIIB\n  -----END RSA PRIVATE KEY-----\n";
    assert_eq!(found(block).len(), 1);
}

#[test]
fn what_only_looks_alike_is_none() {
    for text in [
        "a key starts with sk- and tokens with ghp_ or xox",
        "the product sk-laptop-13",
        "sk-aaaaaaaaaaaaaaaaaaa",
        "see sk-how-to-write-a-good-description",
        "task-aaaaaaaaaaaaaaaaaaaaaaaa",
        "AKIA is how the others begin",
        "AKIAIOSFODNN7EXAMPLEANDMORE",
        "ghp_short",
        "eyJ is base64 for a brace. And so. On",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "git commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "550e8400-e29b-41d4-a716-446655440000",
    ] {
        no_secret(&format!("description: '{text}'"));
    }
}

#[test]
fn a_secret_written_with_escapes_is_underlined_as_a_whole() {
    secret(r#"a: "\u0073k-aaaaaaaaaaaaaaaaaaaa""#, r#""\u0073k-aaaaaaaaaaaaaaaaaaaa""#);
}

#[test]
fn a_line_is_shown_without_its_secrets_and_as_long_as_before() {
    let line = |text: &str, expected: &str| assert_eq!(redact_line(text, &[]), expected);
    line("password: hunter2 # mine", "password: ******* # mine");
    line("{\"apiKey\": \"abc\", \"b\": 1}", "{\"apiKey\": *****, \"b\": 1}");
    line("  token = 'a, b', x", "  token = ******, x");
    line("url: postgres://a:bä@c", "url: postgres://a:**@c");
    line("token: { type: string }", "token: { type: string }");
    line("password: \"{password}\"", "password: \"{password}\"");
    line("passwordEnvVar: DB_PASSWORD", "passwordEnvVar: DB_PASSWORD");
    assert_eq!(redact_line("a: bcdef", &[3..5, 4..6]), "a: ***ef");
}

#[test]
fn a_text_is_shown_without_its_secrets() {
    assert_eq!(redact("`sk-aaaaaaaaaaaaaaaaaaaa` is no duration"), "`***` is no duration");
    assert_eq!(redact("no secret"), "no secret");
}

#[test]
fn no_more_than_so_many_are_told() {
    let text = "- sk-aaaaaaaaaaaaaaaaaaaa\n".repeat(limits::DIAGNOSTICS + 7);
    assert_eq!(found(&text).len(), limits::DIAGNOSTICS);
}

#[test]
fn many_secrets_written_with_escapes_are_searched_once() {
    let text =
        format!("\"{}\"", "\\x73k-aaaaaaaaaaaaaaaaaaaa ".repeat(if cfg!(debug_assertions) { 2_000 } else { 500_000 }));
    assert_eq!(found(&text), [text.as_str()]);
}
