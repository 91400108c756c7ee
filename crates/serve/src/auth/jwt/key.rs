//! Algorithms, and keys that are good for one family of them only. A key never does another's work: not a public key as a
//! shared secret, not a key of one `alg` for another, not one for encryption.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{hmac, signature};
use serde::Deserialize;
use zeroize::Zeroizing;

/// How a token may be signed. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// By its name in RFC 7518 and RFC 8037, as written there.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 gives the one curve we take a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// Whether who checks could also sign.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

/// A key that signatures are checked with.
#[derive(Clone)]
pub(in crate::auth) struct Key {
    id: Option<String>,
    /// The only one it is for, where its issuer says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Zeroizing<Vec<u8>>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { id: None, algorithm: None, material: Material::Secret(Zeroizing::new(secret.to_vec())) }
    }

    pub(in crate::auth) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this key may judge tokens of that algorithm.
    pub(in crate::auth) fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let fits = match &self.material {
            Material::Secret(_) => algorithm.is_symmetric(),
            Material::Rsa { .. } => {
                matches!(algorithm, A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512)
            }
            Material::P256(_) => algorithm == A::Es256,
            Material::P384(_) => algorithm == A::Es384,
            Material::Ed25519(_) => algorithm == A::EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signed: &[u8]) -> bool {
        use Algorithm as A;
        if !self.is_for(algorithm) {
            return false;
        }
        let public =
            |algorithm, key: &[u8]| signature::UnparsedPublicKey::new(algorithm, key).verify(message, signed).is_ok();
        match (&self.material, algorithm) {
            (Material::Secret(secret), algorithm) => {
                let hash = match algorithm {
                    A::Hs384 => hmac::HMAC_SHA384,
                    A::Hs512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::verify(&hmac::Key::new(hash, secret), message, signed).is_ok()
            }
            (Material::Rsa { n, e }, algorithm) => {
                let parameters = match algorithm {
                    A::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    A::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    A::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    A::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    A::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, signed).is_ok()
            }
            (Material::P256(point), _) => public(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Material::P384(point), _) => public(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Material::Ed25519(point), _) => public(&signature::ED25519, point),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.material {
            Material::Secret(_) => "secret",
            Material::Rsa { .. } => "RSA",
            Material::P256(_) => "P-256",
            Material::P384(_) => "P-384",
            Material::Ed25519(_) => "Ed25519",
        };
        f.debug_struct("Key").field("id", &self.id).field("kind", &kind).finish_non_exhaustive()
    }
}

/// What is read of a JWK (RFC 7517). Of members that are there twice, or of another type, there is no key.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Keys of a set that is read; a server that has more has too many.
const MOST_KEYS: usize = 100;

/// The keys of a JWK Set that can check signatures of public-key algorithms. Others are passed over: a set may hold keys
/// for other ends. `None` if it is no set.
pub(in crate::auth) fn key_set(json: &[u8]) -> Option<Vec<Key>> {
    #[derive(Deserialize)]
    struct Set<'a> {
        #[serde(borrow)]
        keys: Vec<&'a serde_json::value::RawValue>,
    }
    let set: Set<'_> = serde_json::from_slice(json).ok()?;
    Some(set.keys.iter().take(MOST_KEYS).filter_map(|key| public_key(serde_json::from_str(key.get()).ok()?)).collect())
}

fn public_key(jwk: Jwk) -> Option<Key> {
    if jwk.usage.is_some_and(|usage| usage != "sig")
        || jwk.key_ops.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return None;
    }
    let algorithm = match jwk.alg {
        None => None,
        Some(name) => Some(Algorithm::parse(&name)?),
    };
    let bytes = |text: Option<String>| BASE64.decode(text?).ok();
    let coordinate = |text, size| bytes(text).filter(|it: &Vec<u8>| it.len() == size);
    let point = |size| {
        let (x, y) = (coordinate(jwk.x.clone(), size)?, coordinate(jwk.y.clone(), size)?);
        Some([&[4], &x[..], &y[..]].concat())
    };
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let plain = |text| bytes(text).map(|it: Vec<u8>| it.into_iter().skip_while(|byte| *byte == 0).collect());
            Material::Rsa { n: plain(jwk.n)?, e: plain(jwk.e)? }
        }
        ("EC", Some("P-256")) => Material::P256(point(32)?),
        ("EC", Some("P-384")) => Material::P384(point(48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(jwk.x.clone(), 32)?),
        // Secrets (`oct`) among them: what comes from a URL is no secret.
        _ => return None,
    };
    let key = Key { id: jwk.kid, algorithm, material };
    // One that says it is for an algorithm of another family is for none.
    key.algorithm.is_none_or(|algorithm| key.is_for(algorithm)).then_some(key)
}
