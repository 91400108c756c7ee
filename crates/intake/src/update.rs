//! A spec that people edited meets a newer import of what it was made of: a three-way merge. What was imported last says which
//! difference is whose. What people changed stays; what the new import changed comes in; where both changed the same, that is a
//! conflict, and somebody says whose counts.
//!
//! What has a name (tools, connections, toolsets …) is merged by it, lists of words as sets, everything else by its fields. What
//! people call otherwise is known by what it calls, and keeps their name.

mod breaking;
mod difference;
mod identity;
mod merge;
mod scope;
mod statement;
mod text;

use std::collections::{HashMap, HashSet};

use mcp_factory_spec::{AllFiles, Severity, Source, Spec, read};
use semver::Version;
use serde_json::Value;

pub use self::{
    breaking::{Break, breaking},
    difference::{Change, Kind, changes},
    merge::Conflict,
};
use crate::{Finding, Level};

/// Whose counts where both changed the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// What people wrote.
    Ours,
    /// What the new import says.
    Theirs,
}

/// What came of it.
#[derive(Debug)]
pub struct Update {
    pub spec: Spec,
    /// What is to be remembered as imported, where that is not the new import as it is: names that were kept.
    pub imported: Option<Spec>,
    /// What is different from what people had.
    pub changes: Vec<Change>,
    /// What callers of its tools would notice.
    pub breaking: Vec<Break>,
    /// Where both changed the same. While nobody says whose counts, people's stand in `spec`, and it is not to be kept.
    pub conflicts: Vec<Conflict>,
    /// Whose counted.
    pub preferred: Option<Prefer>,
    pub findings: Vec<Finding>,
}

impl Update {
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.conflicts.is_empty() || self.preferred.is_some()
    }

    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// The spec in the words of `text`, which is what people have: their comments and order stay where that can be. The flag says
    /// whether it could.
    #[must_use]
    pub fn written(&self, ours: &Spec, text: &str) -> (String, bool) {
        text::write(ours, text, &self.spec)
    }
}

/// Why they are not brought together.
#[derive(Debug)]
pub enum Apart {
    /// What is imported now is of something else than what was imported last.
    Strangers,
    /// Together they are no spec.
    Invalid(Vec<Finding>),
}

/// `base` is what was imported last, `ours` what people made of it, `theirs` what is imported now. Numbers of versions that are
/// taken are passed over.
pub fn update(
    base: &Spec,
    ours: &Spec,
    theirs: &Spec,
    prefer: Option<Prefer>,
    is_taken: impl Fn(&Version) -> bool,
) -> Result<Update, Apart> {
    let (mut old, mine, mut new) = (base.canonical(), ours.canonical(), theirs.canonical());
    if identity::are_strangers(&old, &new) {
        return Err(Apart::Strangers);
    }
    let kept = identity::keep_last_names(&old, &mine, &mut new);
    let imported = if kept.is_empty() { None } else { Some(reread(&new)?) };
    identity::follow_people(&mut old, &mine, &mut new);
    let mut conflicts = scope::keep(&old, &mine, &mut new, prefer);
    let (mut merged, more) = merge::merge(&old, &mine, &new, prefer);
    conflicts.extend(more);
    let mut findings: Vec<Finding> =
        stays_out(&old, &mine, &new).into_iter().chain(keep_their_names(&merged, kept)).collect();
    if merged == mine {
        let (changes, breaking) = (Vec::new(), Vec::new());
        let spec = ours.clone();
        return Ok(Update { spec, imported, changes, breaking, conflicts, preferred: prefer, findings });
    }
    findings.extend(forget_gone(&mine, &mut merged));
    let mut spec = reread(&merged)?;
    let mut breaking = breaking(ours, &spec);
    breaking.extend(other_tables(&mine, &merged));
    let mut changed = changes(&mine, &merged);
    let adds = changed.iter().any(|it| it.kind == Kind::Added);
    let next = |version: &Version| raised(version, !breaking.is_empty(), adds);
    let wanted = if spec.version == ours.version { next(&ours.version) } else { spec.version.clone() };
    let mut version = wanted.clone();
    while is_taken(&version) {
        version = next(&version);
    }
    if version != wanted {
        findings.push(note(format!("there is a version {wanted} already: this one is {version}")));
    }
    if version != spec.version {
        merged["version"] = version.to_string().into();
        spec = reread(&merged)?;
        changed = changes(&mine, &merged);
    }
    Ok(Update { spec, imported, changes: changed, breaking, conflicts, preferred: prefer, findings })
}

/// What people wrote is not left out where it does not fit: that is told, and nothing comes of it.
fn reread(merged: &Value) -> Result<Spec, Apart> {
    let text = merged.to_string();
    let reading = read(&Source::new("merged.json", text.as_bytes()), &AllFiles);
    let errors = reading.diagnostics.into_iter().filter(|it| it.code.severity() == Severity::Error);
    reading.spec.ok_or_else(|| {
        let told = errors.take(20).map(|it| Finding {
            level: Level::Error,
            place: String::new(),
            position: None,
            message: format!("together they are no spec: `{}`: {}", it.path, it.message),
            hint: it.help,
        });
        Apart::Invalid(told.collect())
    })
}

/// As semantic versioning has it: before 1.0.0 the second number says that something broke.
fn raised(version: &Version, breaks: bool, adds: bool) -> Version {
    let Version { major, minor, patch, .. } = *version;
    match (major, breaks, adds) {
        (0, true, _) => Version::new(0, minor + 1, 0),
        (0, false, _) => Version::new(0, minor, patch + 1),
        (_, true, _) => Version::new(major + 1, 0, 0),
        (_, _, true) => Version::new(major, minor + 1, 0),
        _ => Version::new(major, minor, patch + 1),
    }
}

fn note(message: String) -> Finding {
    Finding { level: Level::Note, place: String::new(), position: None, message, hint: None }
}

fn tools(spec: &Value) -> impl Iterator<Item = (&str, &Value)> {
    spec["tools"].as_array().into_iter().flatten().filter_map(|tool| Some((tool["name"].as_str()?, tool)))
}

/// So many are named.
const NAMED: usize = 10;

/// In a sentence, the first of them.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    names.join(", ") + &if more == 0 { String::new() } else { format!(" and {more} more") }
}

/// Who knows what is new by its names there does not look for them here.
fn keep_their_names(merged: &Value, kept: identity::Names) -> Option<Finding> {
    let here: HashSet<&str> = tools(merged).map(|(name, _)| name).collect();
    let kept = kept.into_iter().filter(|(_, name)| here.contains(&**name));
    let mut told: Vec<String> = kept.map(|(new, name)| format!("`{new}` of the new import is `{name}` here")).collect();
    told.sort_unstable();
    (!told.is_empty()).then(|| note(format!("names stay with what they call: {}", listed(told))))
}

/// A name that is another table's now does not what its callers mean, though it may take and give the same.
fn other_tables(before: &Value, after: &Value) -> Vec<Break> {
    let now: HashMap<&str, &Value> = tools(after).collect();
    let other = |(name, tool): (&str, &Value)| {
        let now = now.get(name).filter(|now| now["sql"] != tool["sql"])?;
        let (was, is) = (statement::table(before, tool)?, statement::table(after, now)?);
        let what = format!("its table was {was}, and is {is}");
        (was != is).then(|| Break { tool: name.to_owned(), what })
    };
    tools(before).filter_map(other).collect()
}

/// What people have no more, or have otherwise than it could be known, and the new import changed.
fn stays_out(base: &Value, ours: &Value, theirs: &Value) -> Option<Finding> {
    let kept: HashSet<&str> = tools(ours).map(|(name, _)| name).collect();
    let known: HashMap<&str, &Value> = tools(base).filter(|(name, _)| !kept.contains(name)).collect();
    let changed = tools(theirs).filter(|(name, tool)| known.get(name).is_some_and(|it| it != tool));
    let names: Vec<String> = changed.map(|(name, _)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        let why = "people took out what was imported, or made another call of it";
        note(format!("not brought in, though changed: {}; {why}", listed(names)))
    })
}

/// A toolset that people made may name a tool that is gone now: it does without.
fn forget_gone(ours: &Value, merged: &mut Value) -> Vec<Finding> {
    let names = |spec: &Value| -> Vec<String> { tools(spec).map(|(name, _)| name.to_owned()).collect() };
    let kept = names(merged);
    let gone: Vec<String> = names(ours).into_iter().filter(|name| !kept.contains(name)).collect();
    let mut findings = Vec::new();
    for toolset in merged.get_mut("toolsets").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = toolset["name"].as_str().unwrap_or_default().to_owned();
        let Some(tools) = toolset.get_mut("tools").and_then(Value::as_array_mut) else { continue };
        tools.retain(|tool| {
            let is_gone = tool.as_str().is_some_and(|tool| gone.iter().any(|gone| gone == tool));
            if is_gone {
                findings.push(note(format!("the toolset `{name}` does without {tool}, which is gone")));
            }
            !is_gone
        });
    }
    if let Some(toolsets) = merged.get_mut("toolsets").and_then(Value::as_array_mut) {
        toolsets.retain(|toolset| toolset["tools"].as_array().is_none_or(|tools| !tools.is_empty()));
    }
    findings
}

#[cfg(test)]
mod tests;
