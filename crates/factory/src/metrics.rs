//! What a factory counts, for whoever operates it.

use crate::{
    Caller, Error, Factory, Owner,
    registry::{Calls, Role},
};

/// Since this process began, and of what it hosts; but for `deployments`, which are all that the registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// By server, tool and how long they took. The day is of no meaning.
    pub calls: Vec<(Owner, Calls)>,
    /// How many there are in each state.
    pub deployments: Vec<(String, u64)>,
}

impl Factory {
    /// Everybody's, for an admin.
    pub async fn metrics(&self, caller: &Caller) -> Result<Metrics, Error> {
        caller.needs(Role::Admin)?;
        let operator = caller.operator()?;
        let deployments = self.registry().read(move |transaction| transaction.deployments_by_state(operator)).await;
        let deployments = deployments.map_err(Error::Registry)?;
        Ok(Metrics { calls: self.usage_counted().totals(), deployments })
    }
}
