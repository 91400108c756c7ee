//! Which server a caller meets: one for all, or a bundle of their own.

use std::{any::Any, sync::Arc};

use tokio::sync::broadcast;

use super::CreateError;
use crate::{
    Finding, InstanceOptions, Instances, Principal, Renewal, Server, ServerFactory, Servers, TenantContext,
    toolsets::{self, Catalog, Mode, Modern, Toolsets},
};

/// What toolsets stand around.
#[derive(Clone)]
pub(super) enum Made {
    One(Arc<dyn Server>),
    Each(Arc<dyn ServerFactory>),
}

#[derive(Clone)]
pub(super) enum CatalogOf {
    One(Catalog),
    Each(Arc<dyn Fn(&TenantContext) -> Catalog + Send + Sync>),
}

impl CatalogOf {
    fn of(&self, caller: &TenantContext) -> Catalog {
        match self {
            Self::One(catalog) => catalog.clone(),
            Self::Each(catalog) => catalog(caller),
        }
    }

    /// What all callers have in common.
    pub(super) fn of_nobody(&self) -> Catalog {
        self.of(&nobody())
    }
}

fn nobody() -> TenantContext {
    TenantContext::new(Principal::anonymous())
}

/// Makes what exposes toolsets.
pub(super) struct Orchestrator {
    pub(super) made: Made,
    pub(super) catalog: CatalogOf,
    pub(super) options: toolsets::Options,
}

/// What callers are served with.
pub(super) enum Source {
    Shared(Arc<Toolsets>),
    Each(Arc<Bundles>),
}

impl Orchestrator {
    async fn toolsets(&self, caller: TenantContext) -> Result<Toolsets, CreateError> {
        let catalog = self.catalog.of(&caller);
        let inner = match &self.made {
            Made::One(server) => server.clone(),
            Made::Each(factory) => factory.create(caller).await?,
        };
        Ok(Toolsets::new(inner, catalog, self.options.clone())?)
    }

    /// One for all callers.
    pub(super) async fn shared(self) -> Result<Source, CreateError> {
        Ok(Source::Shared(Arc::new(self.toolsets(nobody()).await?)))
    }

    /// One for each caller, where callers' ones would differ. Else a bundle would hold nothing but a copy: what a client
    /// turned on is kept by its session, or carried in its activation.
    pub(super) async fn create_bundle_factory(self, bundles: InstanceOptions) -> Result<Source, CreateError> {
        if let (Made::One(_), CatalogOf::One(_)) = (&self.made, &self.catalog) {
            return self.shared().await;
        }
        let has_parts = self.options.mode == Mode::Dynamic && self.options.modern == Modern::Url;
        let orchestrator = Arc::new(self);
        let make = move |caller: TenantContext| {
            let orchestrator = orchestrator.clone();
            async move {
                let toolsets = orchestrator.toolsets(caller).await.map_err(|error| match error {
                    CreateError::Factory(error) => error,
                    error => crate::FactoryError::unavailable(error),
                })?;
                toolsets.ready().await.map_err(crate::FactoryError::unavailable)?;
                Ok::<Arc<dyn Server>, crate::FactoryError>(Arc::new(toolsets))
            }
        };
        Ok(Source::Each(Arc::new(Bundles { instances: Instances::new(make, bundles), has_parts })))
    }
}

/// Callers' own servers.
pub(super) struct Bundles {
    pub(super) instances: Instances,
    has_parts: bool,
}

impl Servers for Bundles {
    fn find(&self, caller: TenantContext) -> Finding<'_> {
        self.instances.find(caller)
    }

    fn extras(&self) -> &[String] {
        self.instances.extras()
    }

    fn has_parts(&self) -> bool {
        self.has_parts
    }

    fn renewals(&self) -> Option<broadcast::Receiver<Renewal>> {
        self.instances.renewals()
    }
}

/// The toolsets that a server of ours is.
pub(super) fn toolsets_of(server: &dyn Server) -> Option<&Toolsets> {
    let server: &dyn Any = server;
    server.downcast_ref()
}
