//! How the server is deployed.

use std::num::NonZeroU32;

use super::Size;
use crate::read::object;

object! {
    /// How the server is deployed, for each target.
    #[derive(Default)]
    pub struct Deploy {
        /// In containers.
        docker: Option<Docker>,
        /// In microVMs.
        microvm: Option<Microvm>
    }
}

object! {
    /// Containers.
    pub struct Docker {
        /// The image's name, without a tag: that is the version.
        image: Option<String>,
        /// How much memory each has.
        memory: Option<Size>,
        /// How many processors each has.
        cpus: Option<f64>,
        /// How many there are.
        replicas: NonZeroU32 = NonZeroU32::MIN
    }
}

object! {
    /// MicroVMs.
    pub struct Microvm {
        /// How much memory it has.
        memory: Option<Size>,
        /// How many processors it has.
        vcpus: Option<NonZeroU32>,
        /// The pool of warm ones that it is taken from.
        pool: Option<String>
    }
}
