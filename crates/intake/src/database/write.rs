//! Tools that change something, each one row: make it, change it, delete it.

use mcp_factory_spec::sql::{Dialect, Template};
use serde_json::{Map, Value, json};

use super::{
    Draft, answer,
    choose::{Chosen, Field, listed},
    finding,
    schema::{ColumnKind, Default, Kind},
    statement,
    tool::{described, required, singular, with_comment},
};
use crate::Level;

impl Draft<'_> {
    pub(super) fn writes(&mut self, table: &Chosen<'_>) {
        if table.table.kind == Kind::View {
            return;
        }
        self.create(table);
        self.unset(table);
        let Some(key) = table.shown_key() else {
            let why = match table.key() {
                Some(key) => format!("no answer has its key ({})", listed(key.iter().map(|field| field.column))),
                None => "no key tells its rows apart".to_owned(),
            };
            let message = format!("{why}, so there are no tools that change or delete one");
            self.found.push(finding(Level::Note, &table.table.full_name(), message));
            return;
        };
        self.update(table, &key);
        self.delete(table, &key);
    }

    /// What of its rows no caller says.
    fn unset(&mut self, table: &Chosen<'_>) {
        let is_of_key = |field: &Field<'_>| table.table.primary_key.contains(&field.column.name);
        let (mut never, mut made) = (Vec::new(), Vec::new());
        for field in table.columns.iter().filter(|field| field.column.default != Default::Generated) {
            match takes_values(field) {
                false => never.push(field.column),
                true if field.column.default == Default::Made && !is_of_key(field) => made.push(field.column),
                true => {}
            }
        }
        let never = Some(listed(never)).filter(|names| !names.is_empty()).map(|names| format!("no tool sets {names}"));
        let made = Some(listed(made)).filter(|names| !names.is_empty() && table.table.insertable);
        let made = made.map(|names| format!("a row that is made gets the {names} that the database makes"));
        let told: Vec<String> = never.into_iter().chain(made).collect();
        if !told.is_empty() {
            self.found.push(finding(Level::Note, &table.table.full_name(), told.join("; ")));
        }
    }

    fn create(&mut self, table: &Chosen<'_>) {
        if !table.table.insertable {
            return;
        }
        let missing = table.table.columns.iter().find(|column| {
            let is_given = table.columns.iter().any(|field| field.column.name == column.name && may_be_given(field))
                || table.owner.is_some_and(|owner| owner.name == column.name);
            !is_given && !column.nullable && column.default == Default::None
        });
        if let Some(missing) = missing {
            let message = format!("no tool makes rows of it: `{}` is required and can't be given", missing.name);
            self.found.push(finding(Level::LeftOut, &table.table.full_name(), message));
            return;
        }
        let (mut columns, mut values, mut properties) = (Vec::new(), Vec::new(), Map::new());
        if table.owner.is_some() {
            columns.push(table.owner_quoted.clone());
            values.push(format!(":{}", self.options.by.word()));
        }
        for field in table.columns.iter().filter(|field| may_be_given(field)) {
            let placeholder = statement::bound(field, &field.parameter, self.dialect);
            let value = match &field.column.default {
                Default::None => placeholder,
                // What is left out is NULL, which is not what the database would put there.
                Default::Simple(default) => {
                    let typed = match (&field.column.declared, self.dialect) {
                        (Some(declared), Dialect::Postgres) => format!("CAST({placeholder} AS {declared})"),
                        _ => placeholder,
                    };
                    format!("COALESCE({typed}, {default})")
                }
                Default::Made | Default::Generated => continue,
            };
            let mut schema = answer::parameter(field.column, self.dialect);
            if field.is_required() {
                schema.insert("required".to_owned(), true.into());
            }
            schema.extend(answer::about(field.column, None, self.dialect).map(described));
            columns.push(field.quoted.clone());
            values.push(value);
            properties.insert(field.parameter.clone(), Value::Object(schema));
        }
        if columns.is_empty() {
            return;
        }
        let text = format!("INSERT INTO {} ({})\nVALUES ({})", table.quoted, columns.join(", "), values.join(", "));
        let one = singular(&table.snake);
        let name = self.names.give([format!("create_{one}"), format!("create_{}", table.snake)]);
        let about = with_comment(&format!("Make a row of {}", table.words), table);
        let annotations = making();
        let returning = self.answers_inserts.then(|| table.shown_key()).flatten();
        self.write(table, name, about, properties, text, returning.as_deref(), annotations, None);
    }

    fn update(&mut self, table: &Chosen<'_>, key: &[&Field<'_>]) {
        let of_key = |field: &Field<'_>| key.iter().any(|key| key.parameter == field.parameter);
        let changed: Vec<&Field<'_>> = table
            .columns
            .iter()
            .filter(|field| !of_key(field) && takes_values(field) && field.column.default != Default::Generated)
            // Assigned, even to what it is, it would not move.
            .filter(|field| !field.column.moves)
            .collect();
        if changed.is_empty() || !table.table.updatable {
            return;
        }
        let mut properties = required(table, key, self.dialect);
        let (mut set, mut nullable) = (Vec::new(), Vec::new());
        // A null counts as left out, since many clients send one for whatever they don't mean; so what is to be emptied is named.
        let mut emptied = "set_null".to_owned();
        while table.columns.iter().any(|field| field.parameter == emptied) {
            emptied.push('_');
        }
        for field in changed {
            let mut schema = answer::parameter(field.column, self.dialect);
            schema.extend(answer::about(field.column, None, self.dialect).map(described));
            properties.insert(field.parameter.clone(), Value::Object(schema));
            let (column, parameter) = (&field.quoted, &field.parameter);
            let changed = format!("COALESCE({}, {column})", statement::bound(field, &field.parameter, self.dialect));
            set.push(match field.column.nullable {
                true => {
                    nullable.push(parameter.as_str());
                    format!("{column} = CASE WHEN '{parameter}' IN (:{emptied}) THEN NULL ELSE {changed} END")
                }
                false => format!("{column} = {changed}"),
            });
        }
        if !nullable.is_empty() {
            let schema = json!({
                "type": "array",
                "items": { "type": "string", "enum": nullable },
                "description": "Which of these to set to NULL, whatever else is said of them",
            });
            properties.insert(emptied, schema);
        }
        let text = format!("UPDATE {}\nSET {}\nWHERE {}", table.quoted, set.join(", "), self.found_by(table, key));
        let one = singular(&table.snake);
        let name = self.names.give([format!("update_{one}"), format!("update_{}", table.snake)]);
        let about = with_comment(&format!("Change a row of {}; what is left out stays", table.words), table);
        let annotations = changing();
        let returning = (self.dialect != Dialect::Mysql).then_some(key);
        self.write(table, name, about, properties, text, returning, annotations, None);
    }

    fn delete(&mut self, table: &Chosen<'_>, key: &[&Field<'_>]) {
        if !table.table.deletable {
            return;
        }
        let text = format!("DELETE FROM {}\nWHERE {}", table.quoted, self.found_by(table, key));
        let one = singular(&table.snake);
        let name = self.names.give([format!("delete_{one}"), format!("delete_{}", table.snake)]);
        let about = with_comment(&format!("Delete a row of {}", table.words), table);
        let which: Vec<&str> = key.iter().map(|field| &*field.parameter).collect();
        let confirm = confirmation(&which, table);
        let annotations = changing();
        let returning = (self.dialect != Dialect::Mysql).then_some(key);
        self.write(table, name, about, required(table, key, self.dialect), text, returning, annotations, Some(confirm));
    }

    fn found_by(&self, table: &Chosen<'_>, key: &[&Field<'_>]) -> String {
        let conditions = statement::owned(table, self.options.by).into_iter();
        conditions.chain(key.iter().map(|field| statement::equals(field))).collect::<Vec<_>>().join(" AND ")
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one tool")]
    fn write(
        &mut self,
        table: &Chosen<'_>,
        name: String,
        about: String,
        properties: Map<String, Value>,
        mut text: String,
        returning: Option<&[&Field<'_>]>,
        annotations: Value,
        confirm: Option<String>,
    ) {
        let mut tool = Map::new();
        tool.insert("name".to_owned(), name.into());
        tool.insert("description".to_owned(), about.into());
        if !properties.is_empty() {
            tool.insert("parameters".to_owned(), properties.into());
        }
        // Where the row can be answered, that there was none is told.
        let answered = returning.map(|key| {
            let columns: Vec<String> = key.iter().map(|field| statement::column(field)).collect();
            (format!("{text}\nRETURNING {}", columns.join(", ")), key)
        });
        if let Some((with_answer, key)) =
            answered.filter(|(text, _)| Template::parse(text, self.dialect).is_ok_and(|it| it.returns_rows()))
        {
            text = with_answer;
            tool.insert("returns".to_owned(), answer::row(key));
            tool.insert("single".to_owned(), true.into());
        }
        tool.insert("connection".to_owned(), self.connection.into());
        tool.insert("sql".to_owned(), text.into());
        tool.insert("annotations".to_owned(), annotations);
        if let Some(confirm) = confirm {
            tool.insert("confirm".to_owned(), confirm.into());
        }
        self.push(table, Value::Object(tool));
    }
}

/// What clients are told of a tool that makes something.
pub(super) fn making() -> Value {
    json!({ "destructive": false })
}

/// And of one that changes something, or deletes it.
pub(super) fn changing() -> Value {
    json!({ "destructive": true, "idempotent": true })
}

/// What a person is asked before a row goes that these parameters name.
pub(super) fn confirmation(key: &[&str], table: &Chosen<'_>) -> String {
    let which: Vec<String> = key.iter().map(|parameter| format!("{{{parameter}}}")).collect();
    let words = table.words.replace('{', "{{").replace('}', "}}");
    format!("Delete {} of {words}?", which.join(", "))
}

/// Whether a value of JSON can become one of the column.
fn takes_values(field: &Field<'_>) -> bool {
    !matches!(field.column.kind, ColumnKind::Opaque | ColumnKind::Geometry | ColumnKind::Index)
}

/// Whether somebody who makes a row may give it.
fn may_be_given(field: &Field<'_>) -> bool {
    let is_callers = !field.column.moves || field.is_required();
    takes_values(field) && matches!(field.column.default, Default::None | Default::Simple(_)) && is_callers
}
