//! How callers come to the tools of a proposal: few are listed at once; where there are many, they are found by search, or by
//! turning on one of the groups they are in.

use std::collections::HashSet;

use mcp_factory_spec::MOST_TOOLSETS as MOST;
use serde_json::{Map, Value, json};

use crate::{MANY, name::Names};

/// Tools that belong together.
#[derive(Debug)]
pub struct Group {
    /// What its toolset would be called.
    pub name: String,
    pub about: String,
    pub tools: Vec<String>,
}

impl Group {
    /// Where nothing tells tools apart.
    pub fn of_all(about: &str) -> Self {
        Self { name: "all".to_owned(), about: about.to_owned(), tools: vec!["*".to_owned()] }
    }
}

/// What the tools of a spec are called.
pub fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().filter_map(|tool| tool["name"].as_str()).collect()
}

/// Says how the tools of these names are exposed: where they are many, each of them is in a toolset.
pub fn expose(spec: &mut Map<String, Value>, tools: &[&str], groups: Vec<Group>) {
    let mut groups: Vec<Group> = groups.into_iter().filter(|group| !group.tools.is_empty()).collect();
    if tools.len() > MANY {
        spec.insert("exposure".to_owned(), json!({ "mode": "dynamic", "modern": "search" }));
        groups = few(tools, groups);
    }
    if groups.is_empty() {
        return;
    }
    let mut names = Names::default();
    let toolsets = groups.into_iter().map(|Group { name, about, tools }| {
        let name = names.parameter(&name, "tools");
        json!({ "name": name, "description": about, "tools": tools })
    });
    spec.insert("toolsets".to_owned(), toolsets.collect());
}

/// As many as a server can have, in their order; what is in none of them comes last.
fn few(tools: &[&str], mut groups: Vec<Group>) -> Vec<Group> {
    let grouped: HashSet<&str> = groups.iter().flat_map(|group| &group.tools).map(String::as_str).collect();
    let is_in = |name: &str| grouped.contains("*") || grouped.contains(name);
    let mut rest: Vec<String> = tools.iter().filter(|name| !is_in(name)).map(|name| (*name).to_owned()).collect();
    if groups.len() + usize::from(!rest.is_empty()) > MOST {
        let mut by_size: Vec<usize> = (0..groups.len()).collect();
        by_size.sort_by_key(|place| std::cmp::Reverse(groups[*place].tools.len()));
        let kept: HashSet<usize> = by_size.into_iter().take(MOST - 1).collect();
        let mut seen: HashSet<String> = rest.iter().cloned().collect();
        for (place, group) in std::mem::take(&mut groups).into_iter().enumerate() {
            if kept.contains(&place) {
                groups.push(group);
            } else {
                rest.extend(group.tools.into_iter().filter(|tool| seen.insert(tool.clone())));
            }
        }
    }
    if !rest.is_empty() {
        groups.push(Group { name: "everything_else".to_owned(), about: "Everything else".to_owned(), tools: rest });
    }
    groups
}

/// What a request is about, where nobody says so: the first step of its path that is no version or placeholder.
pub fn first_step(path: &str) -> &str {
    let is_version = |step: &str| {
        step.strip_prefix(['v', 'V'])
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.len() < 6)
    };
    let words = || path.split('/').filter(|step| !step.is_empty() && !step.starts_with('{'));
    let tells = |step: &&str| !is_version(step) && !matches!(*step, "api" | "rest");
    words().find(tells).or_else(|| words().next()).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(count: usize) -> Vec<Value> {
        (0..count).map(|number| json!({ "name": format!("t{number}") })).collect()
    }

    fn group(name: &str, tools: &[&str]) -> Group {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        Group { name: name.to_owned(), about: name.to_owned(), tools }
    }

    fn of(count: usize, groups: Vec<Group>) -> Value {
        let mut spec = Map::new();
        expose(&mut spec, &names(&tools(count)), groups);
        Value::Object(spec)
    }

    #[test]
    fn few_are_listed_and_of_many_each_is_in_a_toolset() {
        assert_eq!(of(60, Vec::new()), json!({}));
        let few = of(60, vec![group("a", &["t1"]), group("none", &[])]);
        assert_eq!(few, json!({ "toolsets": [{ "name": "a", "description": "a", "tools": ["t1"] }] }));
        let many = of(61, vec![group("a", &["t0", "t1"]), group("a", &["t2"])]);
        assert_eq!(many["exposure"], json!({ "mode": "dynamic", "modern": "search" }));
        let named: Vec<&str> =
            many["toolsets"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(named, ["a", "a_tools", "everything_else"]);
        assert_eq!(many["toolsets"][2]["tools"].as_array().unwrap().len(), 58);
    }

    #[test]
    fn more_toolsets_than_a_server_can_have_become_one_of_the_smallest() {
        let mut groups: Vec<Group> =
            (0..MOST).map(|number| group(&format!("g{number}"), &[&format!("t{number}")])).collect();
        assert_eq!(of(MOST, groups).get("toolsets").unwrap().as_array().unwrap().len(), MOST);
        groups = (0..200)
            .map(|number| group(&format!("g{number}"), &[&format!("t{number}"), "t0"][..1 + number % 2]))
            .collect();
        let many = of(201, groups);
        let toolsets = many["toolsets"].as_array().unwrap();
        assert_eq!(toolsets.len(), MOST);
        assert_eq!((&toolsets[0]["name"], &toolsets[MOST - 1]["name"]), (&json!("g0"), &json!("everything_else")));
        let last = toolsets[MOST - 1]["tools"].as_array().unwrap();
        assert_eq!((last.len(), &last[0]), (201 - (MOST - 1), &json!("t200")));
        assert!(toolsets.iter().any(|it| it["name"] == "g199"), "what is large stays");
    }

    #[test]
    fn a_path_is_about_its_first_word() {
        let check = |path: &str, step: &str| assert_eq!(first_step(path), step, "{path}");
        check("/products/{id}/images", "products");
        check("/{shop}/products", "products");
        check("/api/v2/products", "products");
        check("/v1.1/videos", "videos");
        check("/v1/{id}", "v1");
        check("/", "other");
    }
}
