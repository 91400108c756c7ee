//! What was done, and what is counted.

use crate::{
    Caller, Error, Factory,
    registry::{AuditEntry, Calls, Page, Paged, TestRun},
};

impl Factory {
    /// What was done with the caller's things, the newest first.
    pub async fn audit(&self, caller: &Caller, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let page = page.clone();
        self.look(caller, move |transaction, owner| Ok(transaction.audited(owner, &page)?)).await
    }

    /// With everybody's, for an admin.
    pub async fn audit_of_all(&self, caller: &Caller, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let (operator, page) = (caller.operator()?, page.clone());
        self.look(caller, move |transaction, _| Ok(transaction.audited_of_all(operator, &page)?)).await
    }

    /// How often the tools of one server or of all were called, since a day (days since 1970, UTC).
    pub async fn usage(&self, caller: &Caller, server: Option<&str>, since: i64) -> Result<Vec<Calls>, Error> {
        let server = server.map(str::to_owned);
        self.look(caller, move |transaction, owner| Ok(transaction.calls(owner, server.as_deref(), since)?)).await
    }

    /// What came of a server's tests, the newest first.
    pub async fn test_runs(&self, caller: &Caller, server: &str, page: &Page) -> Result<Paged<TestRun>, Error> {
        let (server, page) = (server.to_owned(), page.clone());
        self.look(caller, move |transaction, owner| {
            transaction.server(owner, &server)?.ok_or_else(|| Error::no_server(&server))?;
            Ok(transaction.test_runs(owner, &server, &page)?)
        })
        .await
    }

    /// Forgets what is older than it is kept, of everybody. To be done now and then.
    pub async fn sweep(&self, caller: &Caller) -> Result<(), Error> {
        let mut page = Page { after: String::new(), limit: Page::MOST };
        loop {
            let users = self.users(caller, &page).await?;
            for user in users.entries {
                let owner = user.owner;
                self.registry()
                    .write(move |transaction| {
                        transaction.sweep_audit(&owner)?;
                        transaction.sweep_calls(&owner).map(drop)
                    })
                    .await?;
            }
            let Some(next) = users.next else { return Ok(()) };
            page.after = next;
        }
    }
}
