//! Somebody who issues tokens, on a port of this machine: keys, metadata, introspection, and a count of who asked.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    routing::{get, post},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use http::StatusCode;
use mcp_serve::HttpClient;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Value, json};
use url::Url;

pub const AUDIENCE: &str = "https://mcp.example.com/mcp";
pub const SECRET: &[u8] = b"a secret of thirty-two bytes!!!!";

/// Made with `openssl genpkey`, for these tests and nothing else; ring makes no RSA keys.
const RSA: &str = "\
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDIRNczZrgxzIZRXL/S1T6A5klW3BlyN+hD3/OKM0PGrrnB1T63iAb/hyeqRL0BE8HW\
nVHWPc4b2YUMIRnz2NVMDcQuSkxkSGzHQP00NPS3KsjG2HZ1zPV8me47H/5s5uf4GCi+FofN9+3Rt+DbX+N1H3TAARQqlqtXQta0wPIGIH9f2RjCG13/\
FYrlkN8ljpP6o/9Os/LpdyXOVlI3JikcaIjqyy/1oRazW+nNEEIl1ZjRh0CWdkjy/5fBPCCpDGwS3ef70Y3TQVOKysrMi06BCRfin7mB4+25qNzgPAj4\
9NA2Hqm7r50V7HK4AKTnk056Y6L0A6BC75rCjFXMrClvAgMBAAECggEAKyvH1jFE8Js9sylSwpCsbh32Xk6I/7m0jHko5zhA2oIM0g91exvMImZQsyAp\
PCO1q91y6EOffBpqV2CFVy79X+0xxqbGi/Ge3V8RliD6RcfnyxGbi65YlvkZxU4SywgFplIS6lMyCEDzV7uTMcccYcGbqc4xujKLkf57CTD0m0QhY+t8\
IIlcQrJxpjZyWAmSKtyDtcaCu+KMaVedGVbn252623FTZGCo/cBJlfwlea1XIOJOVwK660/ikNABnKAlRo/B4pry+/PSl1o2spUMCZ9r3RO26Ko651No\
OHpoh/O2YpFsHAgq2fsWYRPlHfT8ZAGG8kYt5nyNj5gMIR4NRQKBgQDt2OPkIemMthx7iVAsuGzyO0A6ZsOOaJ8O9gIQrnVtUwLSIS3+Kdj5WDpskAh1\
mzzGWJqtAeCvQo5S6mAi0bY8AsApvkNZ4QU+dnxZhN1Ip3f35Z2XhX06Z8726CKZ+Tr4I+3jFJIWAY7WqrcpcXMgciqDmMlhq8lxZGTqFzM6qwKBgQDX\
jby7SgyQqBWs48Q76IHy2RThJFArV+5401hxZDtA6PGf01UdCPu+Lb4VAyhoazJ4klJK+7LpbbUfwHFX+Jevz17QwyTpOjRaY0VWAMTjlKCi8lDSdNjL\
zw86BiZMknjP1ILeWK8aMI2yAtzYYMAf89a/AyP9N5Az9zn9ioqMTQKBgDFrPEadaTpsaFSevkLcev6Fox2/VmiTgmEIantu1EVH1zEz5auGpGeClnkS\
ID/XZnRL2q+R0U55BLtjqV/ytOuZIrZJqxLUt1M4KTQscBH1ge7HDcx61v84rH8O0omtiDwgsv/YuVXLMxOVWwNIaERYlE7NgyJBIFToKDOfaGyLAoGA\
BXMu92lK4glt6t4jYwRg7LvyXDLn2AC0JdfqH4vSN7TsDwdv2nkUrF1JtgxLZEB5mTTR4dV1U5OThcb+1qORaj+K/SpB76eqFTL3WNJSKBLk8NnBk2Ci\
7pxAnU30f/EgHtkXqfmCC954ZqzN2qavlN88ab3xlgBmo/m3PKLZF+0CgYBjLsx3oy3du+szvxx28gyTOZ32P82yv91Q+ROvTplpRlBRs9wquycnK/ji\
ufQpfih4cHZ/9S6j1MI2W5K6dxox/4X04Lc9BM6iJoPzGJV4omflf+eKrKeMs8rrIuJ3JpDo7OrQXdWLa1xK4E2AdCeyzy1C1sgpTo1I4BXPmRtUrg==";

pub enum Signer {
    Hmac(hmac::Algorithm, Vec<u8>),
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub fn secret() -> Self {
        Self::Hmac(hmac::HMAC_SHA256, SECRET.to_vec())
    }

    /// By the name of an algorithm, with a key made now (but for RSA).
    pub fn new(algorithm: &str) -> Self {
        let random = SystemRandom::new();
        let rsa = |encoding| {
            let key = BASE64_STANDARD.decode(RSA).expect("base64");
            Self::Rsa(RsaKeyPair::from_pkcs8(&key).expect("a key"), encoding)
        };
        let ec = |algorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
            Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a key"))
        };
        match algorithm {
            "HS256" => Self::secret(),
            "HS384" => Self::Hmac(hmac::HMAC_SHA384, SECRET.to_vec()),
            "HS512" => Self::Hmac(hmac::HMAC_SHA512, SECRET.to_vec()),
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "PS384" => rsa(&signature::RSA_PSS_SHA384),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            "ES256" => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
            }
            other => panic!("{other}"),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(algorithm, secret) => hmac::sign(&hmac::Key::new(*algorithm, secret), message).as_ref().to_vec(),
            Self::Rsa(key, encoding) => {
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signed).expect("signed");
                signed
            }
            Self::Ec(key) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// What everybody may know of the key.
    pub fn jwk(&self, kid: &str) -> Value {
        let base64 = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Hmac(_, secret) => json!({"kty": "oct", "kid": kid, "k": base64(secret)}),
            Self::Rsa(key, _) => {
                let public: signature::RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "kid": kid, "n": base64(&public.n), "e": base64(&public.e)})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "kid": kid, "crv": curve, "x": base64(x), "y": base64(y)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": base64(key.public_key().as_ref())})
            }
        }
    }

    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        format!("{message}.{}", BASE64.encode(self.sign(message.as_bytes())))
    }
}

pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Claims that are good for a minute, with these changed; `null` takes one away.
pub fn claims(issuer: &str, change: Value) -> Value {
    let mut claims = json!({"iss": issuer, "aud": AUDIENCE, "sub": "alice", "iat": now(), "exp": now() + 60});
    for (name, value) in change.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// Answers until it is dropped.
pub struct Issuer {
    pub url: String,
    pub state: Arc<Published>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub struct Published {
    issuer: Mutex<String>,
    pub keys: Mutex<Vec<Value>>,
    /// What introspection says of any token.
    pub of_token: Mutex<Value>,
    pub down: AtomicBool,
    pub key_requests: AtomicUsize,
    pub introspections: AtomicUsize,
    /// The last form and credential of an introspection.
    pub asked: Mutex<(String, String)>,
}

type Answer = (StatusCode, String);

impl Published {
    fn answer(&self, value: &Value) -> Answer {
        if self.down.load(Ordering::SeqCst) {
            (StatusCode::BAD_GATEWAY, "down".to_owned())
        } else {
            (StatusCode::OK, value.to_string())
        }
    }
}

impl Issuer {
    pub async fn start(keys: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Published { keys: Mutex::new(keys), ..Published::default() });
        state.issuer.lock().expect("lock").clone_from(&url);
        let metadata = |State(state): State<Arc<Published>>| async move {
            let issuer = state.issuer.lock().expect("lock").clone();
            state.answer(&json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}))
        };
        let jwks = |State(state): State<Arc<Published>>| async move {
            state.key_requests.fetch_add(1, Ordering::SeqCst);
            let keys = state.keys.lock().expect("lock").clone();
            state.answer(&json!({ "keys": keys }))
        };
        let introspect = |State(state): State<Arc<Published>>, headers: http::HeaderMap, form: Bytes| async move {
            state.introspections.fetch_add(1, Ordering::SeqCst);
            let credential = headers.get("authorization").map(|it| it.to_str().expect("text").to_owned());
            let form = String::from_utf8(form.to_vec()).expect("text");
            *state.asked.lock().expect("lock") = (form, credential.unwrap_or_default());
            let said = state.of_token.lock().expect("lock").clone();
            state.answer(&said)
        };
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/introspect", post(introspect))
            .with_state(state.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        Self { url, state, task }
    }

    pub fn at(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.url)).expect("a URL")
    }

    pub fn down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    pub fn key_requests(&self) -> usize {
        self.state.key_requests.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn fetch() -> Arc<HttpClient> {
    Arc::new(HttpClient::new())
}
