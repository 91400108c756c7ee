//! What is common to authenticators of bearer tokens: how they are read, and what is said of those that are not good.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, header::AUTHORIZATION, request::Parts};

use super::{
    Authentication, Challenge, ProtectedResource, Verified, bearer, only,
    verified::{Digest, Judge},
};
use crate::Principal;

/// Why a bearer token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    Missing,
    /// Not of ours, not for us, or not whole: which of these is nobody's business.
    Invalid,
    /// Told only of a token that was good once.
    Expired,
    NoPrincipal,
    /// Who knows can't be asked.
    Unavailable {
        retry_after: Duration,
    },
}

/// The words of one kind of authenticator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) missing: &'static str,
    pub(super) invalid: &'static str,
    pub(super) expired: &'static str,
    pub(super) no_principal: &'static str,
}

/// What all who judge tokens have, besides a way to judge one that is not known.
#[derive(Debug)]
pub(super) struct Tokens {
    words: &'static Words,
    /// Bytes of a token.
    longest: usize,
    judge: Judge,
    pub(super) verified: Arc<Verified>,
    pub(super) resource: Option<ProtectedResource>,
}

impl Tokens {
    pub(super) fn new(words: &'static Words, longest: usize) -> Self {
        Self { words, longest, judge: Judge::default(), verified: Arc::default(), resource: None }
    }

    /// A token that nobody knows yet, and what it is known by; else the answer.
    pub(super) fn unknown<'a>(&self, head: &'a Parts) -> Result<(&'a [u8], Digest), Authentication<'a>> {
        let token = match token(head, self.longest) {
            Err(challenge) => return Err(Authentication::Ready(Err(challenge))),
            Ok(Err(rejection)) => return Err(Authentication::Ready(self.answer(Err(rejection)))),
            Ok(Ok(token)) => token,
        };
        let digest = self.verified.digest(&self.judge, token);
        match self.verified.get(&digest) {
            Some(known) => Err(Authentication::Ready(self.answer(Ok(known)))),
            None => Ok((token, digest)),
        }
    }

    /// What is said of it, and whether its principal has the scopes that every caller needs.
    pub(super) fn answer(&self, judged: Result<Arc<Principal>, Rejection>) -> Result<Arc<Principal>, Challenge> {
        let resource = self.resource.as_ref();
        let principal = judged.map_err(|rejection| challenge(rejection, self.words, resource))?;
        scopes(&principal, resource)?;
        Ok(principal)
    }
}

/// The token of a request.
fn token(head: &Parts, most: usize) -> Result<Result<&[u8], Rejection>, Challenge> {
    only(head, &AUTHORIZATION)?;
    Ok(match bearer(&head.headers) {
        None => Err(Rejection::Missing),
        Some([]) => Err(Rejection::Missing),
        Some(token) if token.len() > most => Err(Rejection::Invalid),
        Some(token) => Ok(token),
    })
}

/// The answer to it. `resource` leads an OAuth client to a token that is good.
fn challenge(rejection: Rejection, words: &Words, resource: Option<&ProtectedResource>) -> Challenge {
    const HINT: &str = "send `Authorization: Bearer <token>`";
    const REALM: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\"");
    const INVALID: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\", error=\"invalid_token\"");
    let invalid = |message| {
        let scheme = resource.map_or(INVALID, ProtectedResource::invalid_token);
        Challenge::unauthenticated(scheme, message, HINT)
    };
    match rejection {
        Rejection::Missing => {
            let scheme = resource.map_or(REALM, ProtectedResource::unauthenticated);
            Challenge::unauthenticated(scheme, words.missing, HINT)
        }
        Rejection::Invalid => invalid(words.invalid),
        Rejection::Expired => invalid(words.expired),
        Rejection::NoPrincipal => invalid(words.no_principal),
        Rejection::Unavailable { retry_after } => {
            Challenge::unavailable("the issuer of tokens can't be asked just now", retry_after)
        }
    }
}

/// The scopes that every caller needs, where the principal lacks one.
pub(super) fn scopes(principal: &Principal, resource: Option<&ProtectedResource>) -> Result<(), Challenge> {
    match resource {
        Some(resource) if !resource.scopes().iter().all(|scope| principal.scopes.allow(scope)) => {
            Err(Challenge::insufficient_scope(resource.insufficient_scope(&[]), resource.scopes()))
        }
        _ => Ok(()),
    }
}
