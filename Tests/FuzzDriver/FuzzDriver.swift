// Runs `differential SEED FIRST COUNT`, cases that are compared with the oracle, or one fuzz target for so many seconds: `fuzz-driver TARGET SECONDS SEED INPUT-FILE`. Each input is in the file before
// it is read, so that what ends the process is not lost; a second process that watches would see no more.

import Glibc
import PyramidFuzz

@main
enum FuzzDriver {
  /// Seconds and bytes that one input may take.
  private static let limits = (seconds: UInt32(10), bytes: 2 << 30)

  static func main() {
    let words = CommandLine.arguments
    if words.count == 5, words[1] == "differential", let first = Int(words[3]), let count = Int(words[4]) {
      exit(compare(seed: words[2], first: first, count: count) ? 0 : 1)
    }
    guard words.count == 5, let target = FuzzTarget(rawValue: words[1]), let seconds = Double(words[2]) else {
      print("usage: fuzz-driver \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) SECONDS SEED INPUT-FILE")
      exit(64)
    }
    do { try run(target, seconds: seconds, seed: words[3], file: words[4]) } catch {
      print("\(target.rawValue): seed \(words[3]): \(error)")
      exit(1)
    }
  }

  /// Compares cases with the oracle; false when one differs, or when more samples are decided otherwise than rounding explains.
  private static func compare(seed: String, first: Int, count: Int) -> Bool {
    var (total, failures) = (DifferentialCase.Outcome(), 0)
    var sets: [String: Int] = [:]
    for number in first..<first + count {
      do {
        let outcome = try DifferentialCase(seed: seed, number: number).run()
        total.samples += outcome.samples
        total.decidedOtherwise += outcome.decidedOtherwise
        if let name = outcome.names.first { print("\(outcome.names.count) decided otherwise: \(name)") }
        total.early += outcome.early
        total.pruned += outcome.pruned
        total.reduced += outcome.reduced
        total.far += outcome.far
        sets[outcome.set, default: 0] += 1
      } catch {
        failures += 1
        print(error)
      }
    }
    let paths = sets.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    print(
      "differential: seed \(seed), cases \(first) to \(first + count - 1) (\(paths)): \(total.samples) samples, "
        + "\(total.early) left early, \(total.pruned) lost tokens, \(total.decidedOtherwise) decided otherwise at a threshold, "
        + "\(total.reduced) in bf16 or int8 as well, \(total.far) of them far off, \(failures) cases failed")
    // What nothing is compared in proves nothing.
    let (losing, reduced) = (total.pruned > total.samples / 20, total.reduced > total.samples / 50)
    let isRich = count < 100 || total.early > total.samples / 20 && losing && reduced
    let isNear = total.far * 50 <= max(total.reduced, 500)
    return failures == 0 && isRich && isNear && total.decidedOtherwise * 500 <= max(total.samples, 500)
  }

  private static func run(_ target: FuzzTarget, seconds: Double, seed: String, file: String) throws {
    let corpus = try target.corpus()
    var mutator = Mutator(corpus, seed: "\(target.rawValue) \(seed)")
    let descriptor = open(file, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw FuzzTarget.Broken(description: "\(file) can't be written") }
    // Memory in use is measured after each input. One that asks for twice as much at once gets none and ends this process,
    // before the system is out of memory and ends another. Of data, not of addresses: pages that trap take many of those.
    let most = rlim_t(2 * limits.bytes)
    var data = rlimit(rlim_cur: most, rlim_max: most)
    setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &data)
    let clock = ContinuousClock()
    let start = clock.now
    var (count, longest) = (0, Duration.zero)
    while clock.now - start < .seconds(seconds) || count < corpus.count {
      // The corpus itself comes first.
      let input = count < corpus.count ? corpus[count] : mutator.next()
      ftruncate(descriptor, 0)
      pwrite(descriptor, input, input.count, 0)
      alarm(limits.seconds)
      longest = max(longest, try clock.measure { try target.run(input) })
      alarm(0)
      count += 1
      var usage = rusage()
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      guard usage.ru_maxrss * 1024 < limits.bytes else {
        throw FuzzTarget.Broken(description: "more than \(limits.bytes >> 20) MiB in use")
      }
    }
    unlink(file)
    print("\(target.rawValue): \(count) inputs, seed \(seed), the longest took \(longest)")
  }
}
