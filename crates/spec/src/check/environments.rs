//! Environments: the same checks for what is different there.

use super::Checker;
use crate::{Code, Spec, path::Path};

impl Checker<'_> {
    pub(super) fn check_environments(&mut self, spec: &Spec) {
        let known = self.declared("connections");
        for (name, environment) in &spec.environments {
            let at = Path::default().key("environments").key(name);
            for (connection, replaced) in &environment.connections {
                let at = at.key("connections").key(connection);
                if !known.contains(connection.as_str()) {
                    let near = self.suggest(Code::ConnectionUnknown, connection, known.iter().copied());
                    self.report(Code::ConnectionUnknown, &at, format!("there is no connection `{connection}`"), near);
                }
                self.check_connection(&replaced.kind, &at);
            }
            if let Some(auth) = &environment.auth {
                self.check_auth(auth, spec.transport, &at.key("auth"));
            }
            self.check_tools_there(spec, environment, &at);
        }
    }
}
