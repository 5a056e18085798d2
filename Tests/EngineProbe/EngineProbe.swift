// A process with nothing in it but the engine, for what can only be seen of a whole process: allocations of all its
// threads, and what it does when it is asked nothing. Tests start it and read what it prints.

import CAllocationCounter
import Glibc
import MagicPyramid

@main
struct EngineProbe {
  /// `engine-probe MODEL.mpc allocations|careless|environment|opened|idle|concurrent|entry`, or
  /// `engine-probe CHECKPOINT train DATA BATCH THREADS`.
  static func main() async throws {
    let arguments = CommandLine.arguments
    if arguments.count == 6, arguments[2] == "train", let size = Int(arguments[4]), let threads = Int(arguments[5]) {
      try TrainingSteps(checkpoint: arguments[1], data: arguments[3], size: size, threads: threads).serve()
      return
    }
    switch arguments.count == 3 ? arguments[2] : "" {
    case "allocations": try countAllocations(arguments[1], careless: false)
    case "careless": try countAllocations(arguments[1], careless: true)
    case "environment": try compareEnvironment(arguments[1])
    case "opened": try countThreads(arguments[1])
    case "idle": try watchIdle(arguments[1])
    case "entry": try EntryLatency(arguments[1]).measure()
    case "concurrent": try await ConcurrentCalls(arguments[1]).measure()
    default:
      print("usage: engine-probe MODEL.mpc allocations|careless|environment|opened|idle|concurrent|entry")
      print("       engine-probe CHECKPOINT train DATA BATCH THREADS")
      exit(64)
    }
  }

  /// Prints the allocations of ten requests of each kind, after three that may grow something. A careless caller, who
  /// takes the answers as values, shows that the count is one.
  private static func countAllocations(_ path: String, careless: Bool) throws {
    for recordsPositions in [false, true] {
      var options = ClassifierOptions()
      (options.threads, options.batchSamples, options.recordsPositions) = (2, 8, recordsPositions)
      let classifier = try Classifier(path: path, registry: PolicyCatalogue.registry(), options: options)
      let table = AnswerTable()
      for samples in [1, 8, 50] {
        let batch = Self.batch(samples: samples, for: classifier)
        for _ in 0..<3 { try classifier.run(batch, into: table) }
        let before = allocation_count()
        for _ in 0..<10 {
          if careless { _ = try classifier.run(batch) } else { try classifier.run(batch, into: table) }
        }
        let count = allocation_count() - before
        print("\(samples) samples, positions \(recordsPositions): \(count) allocations")
      }
    }
  }

  /// Prints whether the environment is the one that the process was started with: once the libraries are loaded, and after
  /// a request.
  private static func compareEnvironment(_ path: String) throws {
    let file = open("/proc/self/environ", O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(file, &bytes, bytes.count)
    let started = bytes.prefix(count).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    func current() -> [String] {
      var variables: [String] = []
      for index in 0... {
        guard let variable = environ[index] else { break }
        variables.append(String(cString: variable))
      }
      return variables
    }
    print("loaded: \(current() == started ? "the same" : "changed")")
    var options = ClassifierOptions()
    options.threads = 2
    let classifier = try Classifier(path: path, registry: PolicyCatalogue.registry(), options: options)
    _ = try classifier.run(Self.batch(samples: 8, for: classifier))
    print("used: \(current() == started ? "the same" : "changed")")
  }

  /// Prints how many threads the process has as soon as a model is open with a team of four.
  private static func countThreads(_ path: String) throws {
    var options = ClassifierOptions()
    options.threads = 4
    let classifier = try Classifier(path: path, registry: PolicyCatalogue.registry(), options: options)
    var count = 0
    withExtendedLifetime(classifier) {
      guard let folder = opendir("/proc/self/task") else { return }
      while let entry = readdir(folder) { count += entry.pointee.d_name.0 == 0x2E ? 0 : 1 }
      closedir(folder)
    }
    print(count)
  }

  /// Prints the milliseconds of CPU time that the process takes after a request until it is at rest: takes less than one in
  /// a tenth of a second. Gives up after 50 looks.
  private static func watchIdle(_ path: String) throws {
    var options = ClassifierOptions()
    options.threads = 2
    let classifier = try Classifier(path: path, registry: PolicyCatalogue.registry(), options: options)
    let batch = Self.batch(samples: 8, for: classifier)
    for _ in 0..<3 { _ = try classifier.run(batch) }
    let start = processMilliseconds()
    for _ in 0..<50 {
      let before = processMilliseconds()
      usleep(100_000)
      if processMilliseconds() - before < 1 {
        print("at rest after \(Int(before - start)) ms")
        return
      }
    }
    print("never at rest")
  }

  /// CPU time of all threads.
  private static func processMilliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  private static func batch(samples: Int, for classifier: Classifier) -> PackedBatch {
    let ids = min(classifier.tokenizer.rules.vocabulary.count, 5002) - 2
    var batch = PackedBatch()
    for sample in 0..<samples {
      let length = 1 + sample * 7 % 40
      batch.append(
        tokenIDs: (0..<length).map { Int32(2 + (sample * 31 + $0 * 17) % ids) },
        typeIDs: repeatElement(0, count: length))
    }
    return batch
  }
}
