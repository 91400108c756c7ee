//! Where in the spec: `tools[0].parameters.query.type`.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The way from the root. What stands in the same place shares its way: every value of a large document has one while it is read.
#[derive(Clone, Default)]
pub struct Path(Option<Arc<Last>>);

/// The last step, and the way before it.
struct Last {
    before: Path,
    step: Step,
    /// How many steps there are.
    length: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Path {
    /// From the root on.
    pub(crate) fn steps(&self) -> Vec<&Step> {
        let mut steps = Vec::with_capacity(self.length());
        let mut rest = self;
        while let Some(last) = &rest.0 {
            steps.push(&last.step);
            rest = &last.before;
        }
        steps.reverse();
        steps
    }

    pub(crate) fn length(&self) -> usize {
        self.0.as_ref().map_or(0, |last| last.length)
    }

    fn then(&self, step: Step) -> Self {
        Self(Some(Arc::new(Last { before: self.clone(), step, length: self.length() + 1 })))
    }

    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.into()))
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// Whether it is the other, or within it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let mut around = self;
        while around.length() > other.length() {
            let Some(last) = &around.0 else { break };
            around = &last.before;
        }
        around == other
    }

    /// Where it stands in; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        self.0.as_ref().map(|last| last.before.clone()).unwrap_or_default()
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        let (mut one, mut other) = (self, other);
        loop {
            match (&one.0, &other.0) {
                (None, None) => return true,
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => return true,
                (Some(a), Some(b)) if a.length == b.length && a.step == b.step => {
                    (one, other) = (&a.before, &b.before);
                }
                _ => return false,
            }
        }
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut rest = self;
        while let Some(last) = &rest.0 {
            last.step.hash(state);
            rest = &last.before;
        }
        self.length().hash(state);
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Path").field(&self.steps()).finish()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps().into_iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}
