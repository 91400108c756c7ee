//! How many crossed, and who saw what is their own.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ground::{Ground, Shared};
use crate::args::Output;

pub struct Report {
    tenants: usize,
    parts: Vec<Part>,
}

/// A server, or the REST API.
struct Part {
    name: String,
    tools: Option<usize>,
    answers: usize,
    crossings: Vec<String>,
    /// By tenants, where there was something of theirs to see.
    saw_own: Vec<(String, bool)>,
}

/// Told of each part.
const MOST_TOLD: usize = 5;

impl Report {
    pub fn new(ground: &Ground) -> Self {
        Self { tenants: ground.tenants.len(), parts: Vec::new() }
    }

    pub fn begin(&mut self, server: &Shared, tools: usize) {
        let owns = |place: usize| server.only.map_or(!server.rows.is_empty(), |only| only == place);
        self.add(&server.name, Some(tools), owns);
    }

    pub fn begin_rest(&mut self) {
        self.add("the REST API", None, |_| true);
    }

    fn add(&mut self, name: &str, tools: Option<usize>, owns: impl Fn(usize) -> bool) {
        let owners = (0..self.tenants).filter(|place| owns(*place));
        let saw_own = owners.map(|place| (format!("tenant-{}", place + 1), false)).collect();
        self.parts.push(Part { name: name.to_owned(), tools, answers: 0, crossings: Vec::new(), saw_own });
    }

    fn part(&mut self) -> &mut Part {
        self.parts.last_mut().expect("a part was begun before anything was asked")
    }

    pub fn answered(&mut self, ground: &Ground, asker: usize, asked: &str, answer: &str) {
        let tenant = &ground.tenants[asker];
        let part = self.part();
        part.answers += 1;
        if let Some(other) = ground.crossed(asker, answer) {
            part.crossings.push(format!("{} saw what is of {}, with {asked}", tenant.name, other.name));
        }
        if answer.contains(&tenant.canary) {
            part.saw_own.iter_mut().filter(|(name, _)| *name == tenant.name).for_each(|(_, saw)| *saw = true);
        }
    }

    pub fn changed(&mut self, ground: &Ground, asker: usize, other: usize, asked: &str) {
        let (tenant, other) = (&ground.tenants[asker].name, &ground.tenants[other].name);
        self.part().crossings.push(format!("{tenant} changed rows of {other}, with {asked}"));
    }

    pub fn entered(&mut self, ground: &Ground, asker: usize, other: usize, asked: &str) {
        let (tenant, other) = (&ground.tenants[asker].name, &ground.tenants[other].name);
        self.part().crossings.push(format!("{tenant} was let into a session of {other}, with {asked}"));
    }

    fn crossed(&self) -> usize {
        self.parts.iter().map(|part| part.crossings.len()).sum()
    }

    fn answers(&self) -> usize {
        self.parts.iter().map(|part| part.answers).sum()
    }

    /// Nobody crossed, and whoever has something was shown it: else it would be no wonder.
    pub fn holds(&self) -> bool {
        self.crossed() == 0 && self.parts.iter().flat_map(|part| &part.saw_own).all(|(_, saw)| *saw)
    }

    pub fn rendered(&self, output: Output) -> String {
        match output {
            Output::Text => self.text(),
            output => crate::output::of(output, &self.json(), |_| String::new()),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let tools = part.tools.map(|tools| format!("{tools} tools, ")).unwrap_or_default();
            let (name, answers, crossed) = (&part.name, part.answers, part.crossings.len());
            let _ = write!(text, "{name}: {tools}{answers} answers, {crossed} crossed; ");
            let saw = part.saw_own.iter().filter(|(_, saw)| *saw).count();
            let _ = match part.saw_own.len() {
                0 => writeln!(text, "no rows in it belong to a caller"),
                owners => writeln!(text, "{saw} of {owners} saw their own"),
            };
            for crossing in part.crossings.iter().take(MOST_TOLD) {
                let _ = writeln!(text, "  {}", crate::output::plain(crossing));
            }
            if crossed > MOST_TOLD {
                let _ = writeln!(text, "  and {} more", crossed - MOST_TOLD);
            }
            for (name, _) in part.saw_own.iter().filter(|(_, saw)| !saw) {
                let _ = writeln!(text, "  {name} was not shown even what is their own: this proves nothing");
            }
        }
        let (crossed, answers) = (self.crossed(), self.answers());
        let _ = writeln!(text, "{crossed} of {answers} crossed, with {} tenants", self.tenants);
        text
    }

    fn json(&self) -> Value {
        let parts = self.parts.iter().map(|part| {
            json!({
                "name": part.name, "tools": part.tools, "answers": part.answers,
                "crossed": part.crossings.len(),
                "crossings": part.crossings.iter().take(MOST_TOLD).collect::<Vec<_>>(),
                "owners": part.saw_own.len(),
                "sawTheirOwn": part.saw_own.iter().filter(|(_, saw)| *saw).count(),
            })
        });
        json!({
            "holds": self.holds(), "crossed": self.crossed(), "of": self.answers(), "tenants": self.tenants,
            "parts": parts.collect::<Vec<_>>(),
        })
    }
}
