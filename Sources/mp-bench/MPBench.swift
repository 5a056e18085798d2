// mp-bench: how fast a compiled model runs, by itself and beside other runtimes, and what the machine could do. Texts
// and tokenisation are left out: ids are made up, so that any artefact can be timed at any length.

import ArgumentParser
import MagicPyramid

@main
struct MPBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mp-bench",
    abstract: "Times compiled models on made-up token ids.",
    discussion: """
      EXAMPLES
        mp-bench latency dense.mpc --threads 2
        mp-bench latency dense.mpc pyramid.mpc --tokens 16,64 --repetitions 200
        mp-bench peak

      Scripts/bench measures other runtimes, too, through 'mp-bench worker'.
      """,
    subcommands: [Latency.self, Peak.self, Worker.self])
}

/// What the commands that run something take.
struct TeamOptions: ParsableArguments {
  @Option(help: "Threads; by default OMP_NUM_THREADS, else the CPUs that the process may use.")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...ThreadCount.limit).contains(threads) {
      throw ValidationError("--threads must be 1 to \(ThreadCount.limit)")
    }
  }

  /// Opens an artefact to run with this team.
  func open(_ path: String) throws -> TimedModel {
    var options = ClassifierOptions()
    options.threads = threads
    return TimedModel(try Classifier(path: path, registry: try PolicyCatalogue.registry(), options: options))
  }
}
