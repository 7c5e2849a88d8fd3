//! Floor 3: the names that a program gives to what it holds.

mod scope;
mod site;
mod tag;
mod trace;

pub use scope::{Scope, ScopeGuard, ScopeName};
pub(crate) use scope::{is_sweep_due, names as scope_names, open as open_scope, sweep as sweep_scopes};
pub use site::Site;
pub use tag::Tag;
pub use trace::{Frame, Trace, TraceId};
pub(crate) use trace::{record as record_stack, resolve as resolve_stacks};

/// Bytes of names, scopes and stacks, about. All pools of the process share them.
pub(crate) fn bytes() -> usize {
    tag::bytes() + scope::bytes() + trace::bytes()
}
