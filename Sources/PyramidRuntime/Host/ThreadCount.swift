// How many threads to use when the user does not say: OMP_NUM_THREADS, else the CPUs that the process may run on, but
// no more than its control group's quota pays for (a container with 2 CPUs' worth of time on a 64-core host wants 2
// threads, not 64).

import Glibc

/// Chooses the size of the OpenMP team.
public enum ThreadCount {
  /// The most threads that `--threads` and OMP_NUM_THREADS may ask for.
  public static let limit = 1024

  /// `requested`, else OMP_NUM_THREADS (its first number), else what affinity and quota allow; at least 1.
  public static func choose(requested: Int?) -> Int {
    choose(requested: requested, variable: getenv("OMP_NUM_THREADS").map { String(cString: $0) })
  }

  /// The same with the variable's text given: tests can't change the environment under threads that read it.
  static func choose(requested: Int?, variable: String?) -> Int {
    if let requested { return min(max(requested, 1), limit) }
    let allowed = "0123456789, ".utf8
    if let variable, variable.utf8.allSatisfy(allowed.contains), let number = Int(variable.prefix { $0.isNumber }),
      number > 0
    {
      return min(number, limit)
    }
    return min(allowedCPUs(), quota() ?? limit, limit)
  }

  /// CPUs in the process's affinity mask, from a list such as `0-3,8`.
  public static func allowedCPUs(status: String = "/proc/self/status") -> Int {
    for line in (read(status) ?? "").split(separator: "\n") where line.hasPrefix("Cpus_allowed_list:") {
      let ranges = line.dropFirst("Cpus_allowed_list:".count).split { $0 == "," || $0.isWhitespace }
      let count = ranges.reduce(0) { count, range in
        let ends = range.split(separator: "-").compactMap { Int($0) }
        return count + (ends.count == 2 ? max(ends[1] - ends[0] + 1, 0) : ends.count)
      }
      if count > 0 { return count }
    }
    return max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)
  }

  /// CPUs that the control group's quota pays for all the time, at least 1; nil without a quota. Rounded down: two threads
  /// with 1.5 CPUs spend a quota in three quarters of a period, and then wait, all of them, for the next.
  static func quota(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") -> Int? {
    var smallest: Int?
    for folder in groupFolders(root: root, membership: membership) {
      let limit: Int?
      if let text = read(folder + "/cpu.max") {
        let fields = text.split(separator: " ")
        limit = fields.count == 2 ? cpus(quota: fields[0], period: fields[1]) : nil
      } else if let quota = read(folder + "/cpu.cfs_quota_us"), let period = read(folder + "/cpu.cfs_period_us") {
        limit = cpus(quota: quota[...], period: period[...])
      } else {
        limit = nil
      }
      if let limit { smallest = min(smallest ?? limit, limit) }
    }
    return smallest
  }

  /// The group's folder and its parents, in both hierarchies: any of them may carry the quota.
  private static func groupFolders(root: String, membership: String) -> [String] {
    var folders = [root, root + "/cpu"]
    for line in (read(membership) ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3, fields[1].isEmpty || fields[1].split(separator: ",").contains("cpu") else { continue }
      var folder = fields[1].isEmpty ? root : root + "/cpu"
      for part in fields[2].split(separator: "/") where part != ".." {
        folder += "/" + part
        folders.append(folder)
      }
    }
    return folders
  }

  private static func cpus(quota: Substring, period: Substring) -> Int? {
    guard let quota = Int(quota), let period = Int(period), quota > 0, period > 0 else { return nil }
    return max(quota / period, 1)
  }

  /// A small text file without its trailing newline; nil when it can't be read.
  private static func read(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { return nil }
    var text = String(decoding: bytes.prefix(count), as: UTF8.self)
    while text.last?.isNewline == true { text.removeLast() }
    return text
  }
}
