//! What a pool does at its limits: who waits and in what order, who is told, who is refused, and who is named.

#![allow(missing_docs)]

#[path = "limits/holders.rs"]
mod holders;
#[path = "limits/pressure.rs"]
mod pressure;
#[path = "limits/quota.rs"]
mod quota;
#[path = "limits/runtime.rs"]
mod runtime;
#[path = "limits/source.rs"]
mod source;
#[path = "common/stop.rs"]
mod stop;
#[path = "limits/waiting.rs"]
mod waiting;
#[path = "limits/waiting_stress.rs"]
mod waiting_stress;
