//! stub
/// Report.
pub struct PinReport;
pub(crate) fn of_pool(_: &crate::SlabPool) -> PinReport {
    PinReport
}
