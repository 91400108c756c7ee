//! `session` of a database: what each call tells it of its caller, so that row security can ask.

use mcp_factory_spec::template::Text;

use crate::values::Values;

/// Settings that a statement could use to get rid of what it is bound by.
const RESERVED: [&str; 6] = [
    "transaction_read_only",
    "transaction_isolation",
    "transaction_deferrable",
    "default_transaction_read_only",
    "row_security",
    "statement_timeout",
];
const LONGEST_NAME: usize = 63;

#[derive(Debug, Default)]
pub struct Session {
    connection: String,
    settings: Vec<(String, Text)>,
}

impl Session {
    pub fn compile<'a>(
        connection: &str,
        settings: impl IntoIterator<Item = (&'a String, &'a mcp_factory_spec::model::TextTemplate)>,
    ) -> Result<Self, String> {
        let compiled = settings.into_iter().map(|(name, value)| {
            check(name)
                .map_err(|why| format!("the setting `{name}` in `session` of the connection `{connection}` {why}"))?;
            Ok((name.clone(), Text::parse(value).map_err(|problem| problem.to_string())?))
        });
        Ok(Self { connection: connection.to_owned(), settings: compiled.collect::<Result<_, String>>()? })
    }

    /// Whether the settings are all the spec's own (`app.user`), so that tables are the same for everybody.
    #[must_use]
    pub fn leaves_names_alone(&self) -> bool {
        self.settings.iter().all(|(name, _)| name.contains('.'))
    }

    /// The settings of one call. Who lacks what they are made of is refused: an empty setting could be anybody's.
    pub fn of(&self, values: &Values<'_>) -> Result<Vec<(String, String)>, String> {
        let value = |(name, text): &(String, Text)| match text.text(|name| values.get(name)) {
            Some(value) if value.contains('\0') => {
                Err(format!("the setting `{name}` of the connection `{}` would hold a NUL character", self.connection))
            }
            Some(value) => Ok((name.clone(), value)),
            None => {
                let missing = text.placeholders().find(|placeholder| values.get(&placeholder.name).is_none());
                let missing = missing.map_or("", |placeholder| &placeholder.name);
                Err(format!(
                    "the connection `{}` has to know `{missing}` of its caller (for the setting `{name}`), and you have none",
                    self.connection
                ))
            }
        };
        self.settings.iter().map(value).collect()
    }
}

fn check(name: &str) -> Result<(), &'static str> {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    if name.len() > LONGEST_NAME || !name.split('.').all(is_word) {
        return Err(
            "is no name of a setting; expected letters, digits and `_`, in parts with dots between them, such as `app.user`",
        );
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err("is ours to set; expected one of your own, such as `app.user`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_factory_spec::model::TextTemplate;
    use mcp_serve::{CallContext, Principal};
    use serde_json::{Map, json};

    use super::*;

    fn compile(name: &str, value: &str) -> Result<Session, String> {
        Session::compile("db", [(&name.to_owned(), &TextTemplate(value.to_owned()))])
    }

    #[test]
    fn a_caller_without_what_the_setting_is_made_of_is_refused() {
        let session = compile("app.user", "{principal.claims.org}/{principal.id}").unwrap();
        let arguments = Map::new();
        let of = |principal: Principal| {
            let cx = CallContext::new(Arc::new(principal));
            session.of(&Values { arguments: &arguments, cx: &cx })
        };
        let mut alice = Principal::clone(&Principal::trusted("alice"));
        let refused = of(alice.clone()).unwrap_err();
        assert!(refused.contains("`principal.claims.org`") && refused.contains("`app.user`"), "{refused}");
        alice.claims.insert("org".to_owned(), json!("acme"));
        assert_eq!(of(alice.clone()), Ok(vec![("app.user".to_owned(), "acme/alice".to_owned())]));
        alice.claims.insert("org".to_owned(), json!("a\0b"));
        assert!(of(alice).unwrap_err().contains("NUL"));
    }

    #[test]
    fn what_a_read_or_a_limit_is_made_of_is_no_setting() {
        for name in ["app.user", "app.user_id", "role", "search_path", "a.b.c"] {
            assert!(compile(name, "x").is_ok(), "{name}");
        }
        for name in
            ["transaction_read_only", "Transaction_Read_Only", "row_security", "", "a b", "a.", "a'b", "1a", "a`b"]
        {
            assert!(compile(name, "x").is_err(), "{name}");
        }
    }
}
