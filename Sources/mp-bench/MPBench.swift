// mp-bench: how fast a compiled model runs, by itself and beside other runtimes, and what the machine could do. Texts
// and tokenisation are left out, but where policies decide by them: ids are made up, so that any artefact can be timed at
// any length.

import ArgumentParser
import MagicPyramid
import PyramidTools

@main
struct MPBench: ParsableCommand {
  static func main() { runTool(MPBench.self) }

  static let configuration = CommandConfiguration(
    commandName: "mp-bench",
    abstract: "Times compiled models on made-up token ids.",
    discussion: """
      EXAMPLES
        mp-bench latency dense.mpc --threads 2
        mp-bench latency dense.mpc pyramid.mpc --tokens 16,64 --repetitions 200
        mp-bench saved dense.mpc pyramid.mpc --data test.tsv
        mp-bench peak

      Scripts/bench measures other runtimes, too, through 'mp-bench worker'.
      """,
    version: ToolVersion.text(of: "mp-bench"),
    subcommands: [Latency.self, Peak.self, Saved.self, Worker.self])
}

extension ThreadOptions {
  /// Opens an artefact to run with this team.
  func open(_ path: String) throws -> TimedModel {
    var options = ClassifierOptions()
    options.threads = threads
    return TimedModel(classifier: try Classifier(path: path, options: options))
  }
}
