//! Who may call.

use super::Checker;
use crate::{
    Code,
    model::{Auth, Jwt, Transports, Url},
    path::Path,
};

impl Checker<'_> {
    pub(super) fn check_auth(&mut self, auth: &Auth, transport: Transports, at: &Path) {
        if !auth.is_none() && transport.only_stdio() {
            let message = format!("`{}` can't apply on stdio, which is the only transport", auth.word());
            self.report(Code::AuthStdio, at, message, Some("stdio's caller is whoever started the server".to_owned()));
        }
        self.check_auth_itself(auth, at);
    }

    pub(super) fn check_auth_itself(&mut self, auth: &Auth, at: &Path) {
        match auth {
            Auth::None => {}
            Auth::ApiKey(key) => self.check_keys(key.env_var.is_none(), at),
            Auth::Bearer(bearer) => self.check_keys(bearer.env_var.is_none(), at),
            Auth::Jwt(jwt) => self.check_jwt(jwt, at),
            Auth::Oauth2(oauth2) => {
                self.check_web_url(Some(&oauth2.issuer), &at.key("issuer"));
                if let Some(introspection) = &oauth2.introspection {
                    self.check_web_url(Some(&introspection.url), &at.key("introspection").key("url"));
                }
            }
        }
    }

    fn check_keys(&mut self, left_out: bool, at: &Path) {
        if left_out && !self.has(&at.key("envVar")) {
            let help = "name the variable that holds them as `envVar`, or issue keys with the factory".to_owned();
            self.report(Code::AuthNoKeys, at, "no `envVar` says where the keys come from", Some(help));
        }
    }

    fn check_jwt(&mut self, jwt: &Jwt, at: &Path) {
        self.check_web_url(Some(&jwt.issuer), &at.key("issuer"));
        self.check_web_url(jwt.jwks_url.as_ref(), &at.key("jwksUrl"));
        match (self.has(&at.key("jwksUrl")), self.has(&at.key("secretEnvVar"))) {
            (false, false) => {
                let message = "nothing says how tokens are verified";
                let help = "add `jwksUrl`, or `secretEnvVar` for HS256".to_owned();
                self.report(Code::AuthNeeds, at, message, Some(help));
            }
            (true, true) => {
                let message = "`secretEnvVar` stands beside `jwksUrl`: tokens are verified in one way";
                self.report(Code::Conflict, &at.key("secretEnvVar"), message, None);
            }
            (_, shared) => {
                let list = at.key("algorithms");
                for (index, algorithm) in jwt.algorithms.iter().enumerate() {
                    if algorithm.is_symmetric() != shared {
                        let needs = if algorithm.is_symmetric() { "secretEnvVar" } else { "jwksUrl" };
                        let at = self.reader.place(&list, index);
                        self.report(Code::Conflict, &at, format!("`{algorithm}` needs `{needs}`"), None);
                    }
                }
            }
        }
        self.needs_content(&at.key("algorithms"), "`algorithms`");
    }

    /// A URL that is fetched over HTTP.
    pub(super) fn check_web_url(&mut self, url: Option<&Url>, at: &Path) {
        self.check_url(url, at, &["https", "http"]);
    }
}
