//! The variables that a spec names: what has to be set somewhere before its server can do what it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    Spec,
    model::{Content, ToolKind},
    read::Field as _,
};

impl Spec {
    /// Those that this server reads of its own: not those of callers (`per`), of shared connections, and of other environments.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<String> {
        let command = |kind: Option<&ToolKind>| {
            kind.filter(|kind| matches!(kind, ToolKind::Command(_)))
                .map(|kind| json!({ "command": kind.write_value() }))
        };
        let tools = self.tools.iter().filter_map(|tool| command(tool.kind.as_ref()));
        let resources = self.resources.iter().filter_map(|resource| match &resource.content {
            Content::Kind { kind, .. } => command(Some(kind)),
            Content::Text(_) | Content::File(_) => None,
        });
        of(&json!({
            "auth": self.auth.write(),
            "connections": self.connections.write(),
            "triggers": self.triggers.write(),
            "tools": tools.collect::<Vec<_>>(),
            "resources": resources.collect::<Vec<_>>(),
        }))
    }
}

/// The same, of a spec in its canonical form.
#[must_use]
pub fn of(canonical: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for section in ["auth", "connections", "triggers"] {
        collect(&canonical[section], &mut found);
    }
    for section in ["tools", "resources"] {
        for entry in canonical[section].as_array().into_iter().flatten() {
            // What else it has is text and schemas of the author's.
            collect(&entry["command"], &mut found);
        }
    }
    found
}

/// Those of one connection, in its canonical form.
#[must_use]
pub fn of_connection(connection: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(connection, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        // Those are looked up in the stores of callers.
        Value::Object(fields) if !fields.contains_key("per") => fields.iter().for_each(|(key, value)| match value {
            Value::String(name) if key == "envVar" || key.ends_with("EnvVar") => {
                found.insert(name.clone());
            }
            value => collect(value, found),
        }),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::{NoFiles, Source, read};

    #[test]
    fn the_variables_of_a_spec_are_found_by_the_fields_that_name_them() {
        let spec = br#"
name: shop
auth: { type: bearer, envVar: KEYS }
connections:
  - { name: db, type: postgresql, envVar: DATABASE_URL }
  - { name: crm, type: http, url: "https://crm.example.com", per: principal, auth: { type: bearer, envVar: OF_CALLERS } }
  - name: bank
    type: http
    url: https://bank.example.com
    auth: { type: oauth2ClientCredentials, tokenUrl: "https://bank.example.com/token", clientIdEnvVar: BANK_ID, clientSecretEnvVar: BANK_SECRET }
  - { use: shared }
tools:
  - { name: print, description: Prints, command: { argv: [lpr], env: { PRINTER: { envVar: PRINTER_KEY } } } }
  - { name: t, description: T, parameters: { envVar: { type: string } }, static: { json: { envVar: NOT_THIS } } }
resources:
  - { name: jobs, uri: "jobs://all", command: { argv: [lpq], env: { PRINTER: { envVar: QUEUE_KEY } } } }
environments:
  test: { connections: { db: { type: postgresql, envVar: TEST_DATABASE_URL } } }
"#;
        let reading = read(&Source::new("spec.yaml", spec), &NoFiles);
        let spec = reading.spec.unwrap_or_else(|| panic!("{:?}", reading.diagnostics));
        let found: Vec<String> = spec.variables().into_iter().collect();
        assert_eq!(found, ["BANK_ID", "BANK_SECRET", "DATABASE_URL", "KEYS", "PRINTER_KEY", "QUEUE_KEY"]);
        assert_eq!(super::of(&spec.canonical()).into_iter().collect::<Vec<_>>(), found);
        let there = spec.environment("test").expect("there is one").variables();
        assert!(there.contains("TEST_DATABASE_URL") && !there.contains("DATABASE_URL"), "{there:?}");
    }
}
