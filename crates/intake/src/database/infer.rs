//! What a tool without an implementation most likely means, from its name, its parameters, what it returns and the schema. Where
//! several things are about as likely, nothing is proposed, and what they are is told.

mod words;

use mcp_factory_spec::model::{Connection as Declared, Identity as By, Tool};
use serde_json::{Map, Value, json};

use self::words::{Role, Verb, mentions, role, subject, words};
use super::{
    Identity, Options, choose,
    choose::{Chosen, Field},
    schema::{ColumnKind, Default, Kind, Schema},
    statement::{self, Select},
    write,
};

/// An implementation, not yet tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    pub sql: String,
    /// Why it is this one: what of the tool became what of the database.
    pub reason: String,
    pub single: bool,
    pub reads: bool,
    /// What clients are told of its effect, as far as the tool does not say so itself.
    pub annotations: Value,
    /// What a person is asked first.
    pub confirm: Option<String>,
}

/// How much likelier one table has to be than the next.
const MARGIN: i32 = 3;
/// What a table's name alone has to say.
const LIKENESS: i32 = 5;

/// One proposal, or why there is none.
pub fn infer(tool: &Tool, connection: &Declared, schema: &Schema) -> Result<Inferred, String> {
    let name = tool.name.as_str();
    let verb = Verb::of(name)
        .ok_or_else(|| format!("the name `{name}` does not begin with what it does, such as `search_` or `get_`"))?;
    let options = Options {
        scope: connection.scope().map(|scope| scope.column.to_string()),
        by: match connection.scope().map(|scope| scope.by) {
            Some(By::PrincipalTenant) => Identity::Tenant,
            _ => Identity::Principal,
        },
        ..Options::default()
    };
    let mut found = Vec::new();
    let tables = choose::choose(schema, &options, &mut found);
    let wanted = Wanted::of(tool);
    let mut scored: Vec<(i32, &Chosen<'_>)> =
        tables.iter().filter_map(|table| Some((wanted.likeness(table)?, table))).collect();
    scored.sort_by_key(|(score, table)| (std::cmp::Reverse(*score), table.table.full_name()));
    let table = match scored.as_slice() {
        [] => {
            let subject = wanted.subject.join(" ");
            return Err(format!("no table or view has a name like `{subject}`"));
        }
        [(first, one), (second, other), ..] if first - second < MARGIN => {
            return Err(format!(
                "it may mean `{}` or `{}`, which fit about as well ({first} and {second})",
                one.table.full_name(),
                other.table.full_name()
            ));
        }
        [(_, table), ..] => *table,
    };
    let roles = wanted.roles(table)?;
    let inference = Inference { tool, verb, table, roles, schema, by: options.by };
    let inferred = inference.statement()?;
    if tool.annotations.read_only == Some(true) && !inferred.reads {
        return Err(format!(
            "its name says that it changes `{}`, and its annotations that it reads only",
            table.table.full_name()
        ));
    }
    Ok(inferred)
}

/// What a tool says of itself.
struct Wanted<'t> {
    tool: &'t Tool,
    subject: Vec<String>,
    parameters: Map<String, Value>,
    required: Vec<String>,
    returned: Vec<String>,
}

/// A parameter and what it is.
struct Given<'t, 'a> {
    parameter: String,
    schema: Value,
    required: bool,
    role: Role<'t, 'a>,
}

impl<'t> Wanted<'t> {
    fn of(tool: &'t Tool) -> Self {
        let schema = tool.input_schema();
        let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
        let mut parameters = object(schema.get("properties"));
        parameters.shift_remove("cursor").filter(|_| tool.paginate.is_some());
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required = required.filter_map(Value::as_str).map(str::to_owned).collect();
        let returns = tool.returns.as_ref().map(mcp_factory_spec::model::Schema::as_value);
        let row = returns.map(|returns| returns.get("items").unwrap_or(returns));
        let returned = object(row.and_then(|row| row.get("properties"))).into_iter().map(|(name, _)| name).collect();
        Self { tool, subject: subject(tool.name.as_str()), parameters, required, returned }
    }

    /// `None` where its name has nothing to do with the tool's.
    fn likeness(&self, table: &Chosen<'_>) -> Option<i32> {
        let named = words(&table.table.name);
        let all = |some: &[String], of: &[String]| !some.is_empty() && some.iter().all(|word| of.contains(word));
        let mut score = match () {
            // A table that is called just so is meant, though another may be called something of it.
            () if named == self.subject => 12,
            () if all(&named, &self.subject) => 6,
            () if all(&self.subject, &named) => 5,
            () => return None,
        };
        if table.table.kind == Kind::View {
            score -= 1;
        }
        if mentions(&self.tool.description, &table.words) {
            score += 2;
        }
        for (parameter, schema) in &self.parameters {
            score += if role(parameter, schema, table, &self.tool.description).is_some() { 2 } else { -3 };
        }
        for returned in &self.returned {
            score += if column(table, returned).is_some() { 1 } else { -2 };
        }
        (score >= LIKENESS).then_some(score)
    }

    fn roles<'c, 'a>(&self, table: &'c Chosen<'a>) -> Result<Vec<Given<'c, 'a>>, String> {
        let given = self.parameters.iter().map(|(parameter, schema)| {
            let role = role(parameter, schema, table, &self.tool.description);
            let role =
                role.ok_or_else(|| format!("what `{parameter}` is of `{}` can't be told", table.table.full_name()))?;
            let required = self.required.contains(parameter);
            Ok(Given { parameter: parameter.clone(), schema: schema.clone(), required, role })
        });
        given.collect()
    }
}

fn column<'c, 'a>(table: &'c Chosen<'a>, name: &str) -> Option<&'c Field<'a>> {
    table.field(name).or_else(|| table.columns.iter().find(|field| words(&field.column.name) == words(name)))
}

struct Inference<'i, 'a> {
    tool: &'i Tool,
    verb: Verb,
    table: &'i Chosen<'a>,
    roles: Vec<Given<'i, 'a>>,
    schema: &'i Schema,
    by: Identity,
}

impl<'a> Inference<'_, 'a> {
    fn statement(&self) -> Result<Inferred, String> {
        let mut told = vec![format!("{} of `{}`", self.verb.doing(), self.table.table.full_name())];
        told.extend(self.roles.iter().map(|given| format!("`{}` is {}", given.parameter, given.role)));
        let reason = told.join("; ");
        let (sql, single) = match self.verb {
            Verb::Search | Verb::Get | Verb::Count => self.read()?,
            _ if self.table.table.kind == Kind::View => {
                return Err(format!("`{}` is a view", self.table.table.full_name()));
            }
            Verb::Create => (self.create()?, false),
            Verb::Update => (self.update()?, false),
            Verb::Delete => (self.delete()?, false),
        };
        let annotations = match self.verb {
            Verb::Search | Verb::Get | Verb::Count => json!({ "readOnly": true }),
            Verb::Create => write::making(),
            Verb::Update | Verb::Delete => write::changing(),
        };
        let confirm = match self.verb {
            Verb::Delete => {
                let key = self.key()?;
                let named: Vec<&str> = key.iter().map(|(given, _)| &*given.parameter).collect();
                Some(write::confirmation(&named, self.table))
            }
            _ => None,
        };
        Ok(Inferred { sql, reason, single, reads: self.verb.reads(), annotations, confirm })
    }

    /// Whether the required parameters name one row at most.
    fn names_one(&self) -> bool {
        let named: Vec<&str> = self.keys().map(|(_, field)| &*field.column.name).collect();
        let table = self.table.table;
        let is_owner = |name: &str| self.table.owner.is_some_and(|owner| owner.name == name);
        let covers =
            |key: &Vec<String>| !key.is_empty() && key.iter().all(|name| named.contains(&&**name) || is_owner(name));
        covers(&table.primary_key) || table.unique.iter().any(covers)
    }

    /// Required parameters that are columns.
    fn keys(&self) -> impl Iterator<Item = (&Given<'_, 'a>, &Field<'a>)> {
        self.roles.iter().filter(|given| given.required).filter_map(|given| match given.role {
            Role::Equals(field) => Some((given, field)),
            _ => None,
        })
    }

    fn read(&self) -> Result<(String, bool), String> {
        let columns = match self.verb {
            Verb::Count => vec!["count(*) AS count".to_owned()],
            _ => self.columns()?,
        };
        let mut select = Select::with(self.table, &columns, self.by);
        let (mut limit, mut offset) = (None, None);
        for given in &self.roles {
            let parameter = &given.parameter;
            let condition = match &given.role {
                Role::Equals(field) => statement::equals_to(field, parameter),
                Role::In(field) => format!("{} IN (:{parameter})", statement::unicode(field)),
                Role::AtLeast(field) => statement::bounded(field, ">=", parameter, self.schema.dialect),
                Role::AtMost(field) => statement::bounded(field, "<=", parameter, self.schema.dialect),
                Role::After(field) => statement::bounded(field, ">", parameter, self.schema.dialect),
                Role::Before(field) => statement::bounded(field, "<", parameter, self.schema.dialect),
                Role::Contains(fields) => statement::contains(fields, parameter, self.schema.dialect),
                Role::Limit | Role::Offset => {
                    if !given.required && given.schema.get("default").is_none() {
                        return Err(format!(
                            "`{parameter}` has no default: how many rows there are without it can't be told"
                        ));
                    }
                    let place = if matches!(given.role, Role::Limit) { &mut limit } else { &mut offset };
                    *place = Some(parameter);
                    continue;
                }
            };
            match given.required || given.schema.get("default").is_some() {
                true => select.holds(&condition),
                false => select.may_hold(parameter, &condition),
            }
        }
        if self.verb == Verb::Count {
            return Ok((select.ordered(&[]), true));
        }
        let is_list =
            self.tool.returns.as_ref().is_some_and(|it| it.as_value().get("type").is_some_and(|it| it == "array"));
        let single = self.names_one() && self.verb == Verb::Get && !is_list && self.tool.paginate.is_none();
        if single {
            return Ok((select.ordered(&[]), true));
        }
        let mut order = statement::order(self.table, self.schema.dialect);
        if let Some((field, down)) = words::order(self.table, &self.tool.description)? {
            order.retain(|column| *column != field.quoted);
            order.insert(0, field.quoted.clone());
            if down {
                order.iter_mut().for_each(|column| column.push_str(" DESC"));
            }
        }
        let mut sql = select.ordered(&order);
        match (limit, offset) {
            (None, Some(_)) => return Err("an offset without a limit is no page".to_owned()),
            (Some(_), _) if self.tool.paginate.is_some() => {
                return Err("`paginate` stands beside a limit of its own".to_owned());
            }
            (Some(limit), None) => sql += &format!("\nLIMIT :{limit}"),
            (Some(limit), Some(offset)) => sql += &format!("\nLIMIT :{limit} OFFSET :{offset}"),
            (None, None) => {}
        }
        Ok((sql, false))
    }

    fn columns(&self) -> Result<Vec<String>, String> {
        let returned = Wanted::of(self.tool).returned;
        if returned.is_empty() {
            return Ok(statement::answered(self.table).into_iter().map(statement::column).collect());
        }
        let each = returned.iter().map(|name| {
            let field = column(self.table, name).ok_or_else(|| {
                format!("it returns `{name}`, which is no column of `{}`", self.table.table.full_name())
            })?;
            let quoted = statement::column(field);
            let renamed =
                || super::quote::name(name, self.schema.dialect).map(|name| format!("{} AS {name}", field.quoted));
            if field.column.name == *name {
                Ok(quoted)
            } else {
                renamed().ok_or_else(|| format!("`{name}` can't name a column"))
            }
        });
        each.collect()
    }

    /// Every parameter is the value of a column.
    fn values(&self) -> Result<Vec<(&Given<'_, 'a>, &Field<'a>)>, String> {
        let each = self.roles.iter().map(|given| match given.role {
            Role::Equals(field) => Ok((given, field)),
            _ => Err(format!("`{}` is no column of `{}`", given.parameter, self.table.table.full_name())),
        });
        each.collect()
    }

    fn create(&self) -> Result<String, String> {
        let values = self.values()?;
        let is_given = |name: &str| values.iter().any(|(_, field)| field.column.name == name);
        let table = self.table.table;
        let missing = table.columns.iter().find(|column| {
            let is_owner = self.table.owner.is_some_and(|owner| owner.name == column.name);
            !column.nullable && column.default == Default::None && !is_given(&column.name) && !is_owner
        });
        if let Some(missing) = missing {
            return Err(format!(
                "`{}` of `{}` is required, and no parameter gives it",
                missing.name,
                table.full_name()
            ));
        }
        let (mut columns, mut written) = (Vec::new(), Vec::new());
        if self.table.owner.is_some() {
            columns.push(self.table.owner_quoted.clone());
            written.push(format!(":{}", self.by.word()));
        }
        for (given, field) in values {
            let certain = given.required || given.schema.get("default").is_some();
            columns.push(field.quoted.clone());
            written.push(match &field.column.default {
                Default::Generated => return Err(format!("`{}` is the database's to make", given.parameter)),
                Default::Made if !certain => {
                    return Err(format!(
                        "left out, `{}` would be the database's to make, and a statement can't say so",
                        given.parameter
                    ));
                }
                Default::Simple(default) if !certain => format!("COALESCE(:{}, {default})", given.parameter),
                _ => format!(":{}", given.parameter),
            });
        }
        Ok(format!("INSERT INTO {} ({})\nVALUES ({})", self.table.quoted, columns.join(", "), written.join(", ")))
    }

    fn key(&self) -> Result<Vec<(&Given<'_, 'a>, &Field<'a>)>, String> {
        let table = self.table.table;
        let keys = std::iter::once(&table.primary_key).chain(&table.unique).filter(|key| !key.is_empty());
        let found = keys.filter_map(|key| {
            key.iter().map(|name| self.keys().find(|(_, field)| field.column.name == *name)).collect::<Option<Vec<_>>>()
        });
        found.into_iter().next().ok_or_else(|| {
            format!("no required parameters are a key of `{}`: which row is meant can't be told", table.full_name())
        })
    }

    fn found_by(&self, key: &[(&Given<'_, 'a>, &Field<'a>)]) -> String {
        let conditions = statement::owned(self.table, self.by).into_iter();
        conditions
            .chain(key.iter().map(|(given, field)| statement::equals_to(field, &given.parameter)))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    fn update(&self) -> Result<String, String> {
        let (key, values) = (self.key()?, self.values()?);
        let of_key = |given: &Given<'_, '_>| key.iter().any(|(known, _)| known.parameter == given.parameter);
        let set: Vec<String> = values
            .iter()
            .filter(|(given, _)| !of_key(given))
            .map(|(given, field)| match given.required {
                true => format!("{} = :{}", field.quoted, given.parameter),
                false => format!("{0} = COALESCE(:{1}, {0})", field.quoted, given.parameter),
            })
            .collect();
        if set.is_empty() {
            return Err("no parameter says what is to change".to_owned());
        }
        Ok(format!("UPDATE {}\nSET {}\nWHERE {}", self.table.quoted, set.join(", "), self.found_by(&key)))
    }

    fn delete(&self) -> Result<String, String> {
        let (key, values) = (self.key()?, self.values()?);
        if values.len() > key.len() {
            return Err("which of its parameters say what is deleted can't be told".to_owned());
        }
        Ok(format!("DELETE FROM {}\nWHERE {}", self.table.quoted, self.found_by(&key)))
    }
}

/// Whether a column can be searched for text.
fn is_text(field: &Field<'_>) -> bool {
    field.column.kind == ColumnKind::Text
}
