//! What a factory does by itself while it is there: follows secrets that others set, writes down what was counted, forgets what
//! is too old.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    Operator,
    refusals::Refusals,
    registry::{Error, Page, Registry},
    usage::Usage,
    vault::Vault,
};

/// Secrets that another process set or removed are known within this time.
const FOLLOW: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_secs(10);
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// Never ends by itself: whoever began it ends it.
pub(crate) async fn keep(registry: Registry, vault: Arc<Vault>, usage: Arc<Usage>, refusals: Arc<Refusals>) {
    let mut ticks = tokio::time::interval(FOLLOW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut flushed, mut swept) = (Instant::now(), Instant::now());
    let mut is_well = true;
    loop {
        ticks.tick().await;
        let kept = async {
            vault.follow(Operator::acting()).await?;
            refusals.flush(&registry).await?;
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                usage.flush(&registry).await?;
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                sweep(&registry, Operator::acting()).await?;
            }
            Ok::<_, Error>(())
        };
        match kept.await {
            Ok(()) => is_well = true,
            // Told once, not each second.
            Err(error) if is_well => {
                is_well = false;
                tracing::warn!(error = &error as &dyn std::error::Error, "the registry can't be kept up with");
            }
            Err(_) => {}
        }
    }
}

/// Forgets what is older than it is kept, of everybody.
pub(crate) async fn sweep(registry: &Registry, operator: Operator) -> Result<(), Error> {
    let mut page = Page { after: String::new(), limit: Page::MOST };
    loop {
        let wanted = page.clone();
        let users = registry.read(move |transaction| transaction.users(operator, &wanted)).await?;
        for user in users.entries {
            let work = move |transaction: &mut crate::registry::Transaction<'_>| {
                transaction.sweep_audit(&user.owner)?;
                transaction.sweep_calls(&user.owner).map(drop)
            };
            registry.write(work).await?;
        }
        let Some(next) = users.next else { return Ok(()) };
        page.after = next;
    }
}
