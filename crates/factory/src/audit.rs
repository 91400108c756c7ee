//! What was done, and what is counted.

use crate::{
    Caller, Error, Factory,
    keeping::sweep,
    registry::{AuditEntry, Page, Paged},
};

impl Factory {
    /// What was done with the caller's things, the newest first.
    pub async fn audit(&self, caller: &Caller, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let page = page.clone();
        self.refusals().flush(self.registry()).await?;
        self.look(caller, move |transaction, owner| Ok(transaction.audited(owner, &page)?)).await
    }

    /// With everybody's, for an admin.
    pub async fn audit_of_all(&self, caller: &Caller, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let (operator, page) = (caller.operator()?, page.clone());
        self.look(caller, move |transaction, _| Ok(transaction.audited_of_all(operator, &page)?)).await
    }

    /// Forgets what is older than it is kept, of everybody: a factory does it each hour by itself.
    pub async fn sweep(&self, caller: &Caller) -> Result<(), Error> {
        Ok(sweep(self.registry(), caller.operator()?).await?)
    }
}
