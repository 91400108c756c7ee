//! The factories that share a registry. One that is there counts its beats: others see them change, each by its own clock, as
//! the clocks of two machines never agree.

use super::{Error, OfAll, Row, Transaction, value::values};
use crate::Operator;

/// A factory, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    pub factory: String,
    pub beat: u64,
}

const BEAT: OfAll = OfAll::new(
    "INSERT INTO factories (id, beat) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET beat = factories.beat + 1
     RETURNING beat",
);
const LIST: OfAll = OfAll::new("SELECT id, beat FROM factories ORDER BY id");
const LEAVE: OfAll = OfAll::new("DELETE FROM factories WHERE id = ?1 RETURNING id");
const BURY: OfAll = OfAll::new("DELETE FROM factories WHERE id = ?1 AND beat = ?2 RETURNING id");
const REVISION: OfAll = OfAll::new("SELECT revision FROM revisions WHERE subject = 'deployments'");
const REVISE: OfAll =
    OfAll::new("UPDATE revisions SET revision = revision + 1 WHERE subject = 'deployments' RETURNING revision");

impl Transaction<'_> {
    /// This factory is there. Returns how often it said so: once, where others forgot it or never knew it.
    pub fn beat(&mut self, operator: Operator, factory: &str) -> Result<u64, Error> {
        self.all(BEAT, operator, values![factory])?.pop().ok_or(Error::Content)?.take()
    }

    pub fn factories(&mut self, operator: Operator) -> Result<Vec<Beat>, Error> {
        let beat = |mut row: Row| Ok(Beat { factory: row.take()?, beat: row.take()? });
        self.all(LIST, operator, &[])?.into_iter().map(beat).collect()
    }

    /// It ends: others take over what it drove.
    pub fn leave(&mut self, operator: Operator, factory: &str) -> Result<(), Error> {
        if !self.all(LEAVE, operator, values![factory])?.is_empty() {
            self.revise_deployments()?;
        }
        Ok(())
    }

    /// Nothing was heard of a factory since this beat. `false` when something was.
    pub fn bury(&mut self, operator: Operator, last: &Beat) -> Result<bool, Error> {
        let buried = !self.all(BURY, operator, values![&last.factory, last.beat])?.is_empty();
        if buried {
            self.revise_deployments()?;
        }
        Ok(buried)
    }

    /// Another number whenever a deployment was changed, made or removed.
    pub fn revision_of_deployments(&mut self, operator: Operator) -> Result<u64, Error> {
        self.all(REVISION, operator, &[])?.pop().ok_or(Error::Content)?.take()
    }

    pub(super) fn revise_deployments(&mut self) -> Result<(), Error> {
        self.all(REVISE, Operator::acting(), &[]).map(drop)
    }
}
