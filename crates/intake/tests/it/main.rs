//! Documents, and what becomes of them.

mod hostile;
mod openapi;
mod postman;
mod toolbox;
