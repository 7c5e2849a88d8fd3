//! What the operating system counts as this process's memory.

/// Resident bytes of this process, from `/proc/self/statm`; `None` where there is no such file.
pub(super) fn bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size())
}

/// The file counts in pages and does not say how large they are; `KernelPageSize` of this process's first mapping does.
fn page_size() -> u64 {
    use std::io::BufRead;
    static SIZE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SIZE.get_or_init(|| {
        let file = std::fs::File::open("/proc/self/smaps").map(std::io::BufReader::new);
        let mut lines = file.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        let line = lines.find_map(|line| line.strip_prefix("KernelPageSize:").map(str::to_owned));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.map_or(4096, |kib| kib << 10)
    })
}
