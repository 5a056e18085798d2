// What else the machine did while something was measured: other processes, a host that took CPU time away, clocks and
// quotas that were throttled. A time that was measured meanwhile says little about a policy. Read from the kernel's
// text files; where they are missing nothing counts as disturbed.

import Glibc
import PyramidFormats

/// Readings of the machine's counters at one moment.
public struct MachineActivity: Sendable, Equatable {
  /// CPUs that the counters are of.
  public var cpus: Int
  /// Seconds of CPU time that all processes took, and those that the host took away.
  public var busy, stolen: Double
  /// Seconds of CPU time that this process took.
  public var own: Double
  /// Times that a quota or heat throttled the CPUs.
  public var throttled: Int
  /// Seconds on the clock, from any start.
  public var clock: Double

  /// Readings.
  public init(cpus: Int, busy: Double, stolen: Double, own: Double, throttled: Int, clock: Double) {
    (self.cpus, self.busy, self.stolen, self.own) = (cpus, busy, stolen, own)
    (self.throttled, self.clock) = (throttled, clock)
  }

  /// The readings of now; nil where the kernel doesn't tell.
  public static func now() -> MachineActivity? {
    guard let stat = text(of: "/proc/stat"), var activity = MachineActivity(stat: stat) else { return nil }
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    activity.own = seconds(usage.ru_utime) + seconds(usage.ru_stime)
    let quota = text(of: "/sys/fs/cgroup/cpu.stat").flatMap { number(after: "nr_throttled", in: $0) }
    let heat = text(of: "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count")
    activity.throttled = (quota ?? 0) + (heat.flatMap { Int(Array($0.utf8)[...].trimmed) } ?? 0)
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    activity.clock = Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    return activity
  }

  /// Reads the text of /proc/stat; nil when its first line is not that of all CPUs.
  init?(stat: String) {
    let lines = stat.split(separator: "\n")
    let numbers = lines.first?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
    guard lines.first?.hasPrefix("cpu ") == true, numbers.count >= 8 else { return nil }
    let tick = Double(sysconf(Int32(_SC_CLK_TCK)))
    let cpus = lines.dropFirst().count { $0.hasPrefix("cpu") }
    self.init(
      cpus: max(cpus, 1), busy: (numbers[0] + numbers[1] + numbers[2] + numbers[5] + numbers[6]) / tick,
      stolen: numbers[7] / tick, own: 0, throttled: 0, clock: 0)
  }

  /// What disturbed the time since earlier readings, worst first; empty for a quiet one. `threads` is what this process
  /// computed with: load on CPUs that it left free is not a disturbance.
  public func disturbances(since earlier: MachineActivity, threads: Int) -> [Disturbance] {
    let elapsed = clock - earlier.clock
    // The kernel counts in ticks of 10 ms: of a shorter time it says nothing.
    guard elapsed >= 0.1 else { return [] }
    let foreign = max(busy - earlier.busy - (own - earlier.own), 0) / elapsed
    let taken = (stolen - earlier.stolen) / elapsed
    var found: [Disturbance] = []
    if foreign > Double(max(cpus - threads, 0)) + 0.1 * Double(threads) { found.append(.init(.load, cpus: foreign)) }
    if taken > 0.02 * Double(cpus) { found.append(.init(.steal, cpus: taken)) }
    if throttled > earlier.throttled { found.append(.init(.throttling, cpus: 0)) }
    return found.sorted { $0.cpus > $1.cpus }
  }

  /// The number on the line that starts with a word.
  static func number(after word: String, in text: String) -> Int? {
    text.split(separator: "\n").first { $0.hasPrefix(word + " ") }?.split(separator: " ").last.flatMap { Int($0) }
  }

  private static func text(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}

/// One thing that disturbed a measurement.
public struct Disturbance: Sendable, Equatable {
  /// What it was.
  public enum Kind: String, Sendable, CaseIterable {
    /// Other processes on the CPUs that were computed on.
    case load
    /// CPU time that the host gave to others.
    case steal
    /// A quota or heat.
    case throttling
  }

  /// What it was.
  public let kind: Kind
  /// CPUs that it took on average; 0 where that is not known.
  public let cpus: Double

  init(_ kind: Kind, cpus: Double) { (self.kind, self.cpus) = (kind, cpus) }

  /// How bad it was: CPUs taken in all, above 0 for throttling alone, below 0 for nothing.
  static func cpus(_ all: [Disturbance]) -> Double { all.isEmpty ? -1 : all.reduce(0) { $0 + $1.cpus } }
}

/// How many turns of a measurement were disturbed, and what became of them.
public struct DisturbanceTally: Sendable, Equatable {
  /// Turns measured, those taken again not counted twice.
  public var turns = 0
  /// Turns of which a try was disturbed, and those of them that stayed so.
  public var disturbed = 0, remaining = 0
  /// What disturbed them.
  public var kinds: Set<Disturbance.Kind> = []

  mutating func add(_ times: TurnTimes) {
    turns += 1
    kinds.formUnion(times.disturbances)
    if !times.disturbances.isEmpty { disturbed += 1 }
    if times.isDisturbed { remaining += 1 }
  }

  /// A sentence for the report; nil when nothing was disturbed.
  public var note: String? {
    guard disturbed > 0 else { return nil }
    let causes = Disturbance.Kind.allCases.filter(kinds.contains).map(\.rawValue).joined(separator: ", ")
    let rest = remaining == 0 ? "all were taken again undisturbed" : "\(remaining) of them stayed so when taken again"
    return "The machine was not quiet (\(causes)): \(disturbed) of \(turns) turns were disturbed, \(rest)"
      + (2 * remaining > turns ? "; don't trust these times" : "")
  }
}
