#![no_main]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use mcp_serve::{
    Algorithm, Authentication, Authenticator, BoxFuture, Fetch, FetchBounds, FetchError, Jwks, JwksConfig, Jwt,
    JwtConfig,
};
use tokio::runtime::Runtime;

const ISSUER: &str = "https://issuer.example.com";

/// What an issuer publishes.
#[derive(Debug)]
struct Published(Bytes);

impl Fetch for Published {
    fn fetch(&self, _: Request<Bytes>, _: FetchBounds) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async { Ok(Response::new(self.0.clone())) })
    }
}

thread_local! {
    static RUNTIME: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

// The first line is a token, the rest are the keys of its issuer. The only token that anybody signed is of alice: whoever
// else comes out was made up. The same token is no good for a shared secret, whatever its header says.
fuzz_target!(|input: &[u8]| {
    let (token, keys) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    let Ok(value) = http::HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else { return };
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers.insert(AUTHORIZATION, value);
    let public = vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];
    let config =
        |algorithms| JwtConfig { leeway: Duration::from_secs(60), ..JwtConfig::new(ISSUER, "fuzzed", algorithms) };
    let published = Arc::new(Published(Bytes::copy_from_slice(keys)));
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let keys =
                Jwks::at("https://issuer.example.com/keys".parse().expect("a URL"), published, JwksConfig::default());
            let of_keys = Jwt::with_keys_of(config(public), keys).expect("a configuration");
            let secret = Jwt::with_secret(config(vec![Algorithm::Hs256]), b"a secret that nobody has seen!!!")
                .expect("a configuration");
            if let Some(caller) = caller(&of_keys, &head).await {
                assert_eq!(caller, "alice");
            }
            assert_eq!(caller(&secret, &head).await, None, "nobody knows the secret");
        });
    });
});

async fn caller(judge: &Jwt, head: &http::request::Parts) -> Option<String> {
    let outcome = match judge.authenticate(head) {
        Authentication::Ready(outcome) => outcome,
        Authentication::Pending(outcome) => outcome.await,
    };
    outcome.ok().map(|principal| principal.id.to_string())
}
