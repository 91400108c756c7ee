//! SQL within a spec.

use super::{Checker, placeholders::Scope};
use crate::{
    model::{Connection, Tool},
    path::Path,
};

impl Checker<'_> {
    pub(super) fn check_sql(&mut self, _: &str, _: Option<&Tool>, _: Option<&Connection>, _: &Path, _: &Scope<'_>) {}

    pub(super) fn check_sql_there(&mut self, _: &str, _: &Tool, _: Option<&Connection>, _: &Path, _: &Scope<'_>) {}
}
