// How long a text takes that leaves at the entry, from its characters to its label: cutting it into tokens, handing it to
// the inference thread and back, and what is computed. Release builds only mean something.

import Glibc
import MagicPyramid

/// Times texts one by one.
struct EntryLatency {
  private static let tokens = 50
  private static let runs = 4000
  private let classifier: Classifier

  /// A classifier of the artefact at `path` all of whose texts leave at the entry.
  init(_ path: String) throws {
    var options = ClassifierOptions()
    (options.threads, options.policies) = (2, PolicyChoice(exit: try PolicySpec("fixed-layer(layer=0)")))
    classifier = try Classifier(path: path, registry: PolicyCatalogue.registry(), options: options)
  }

  /// Prints the median and the 99th percentile of a text, and how much of the median goes into cutting it.
  func measure() throws {
    let texts = texts(count: 64)
    var whole: [Double] = []
    var cutting: [Double] = []
    for run in 0..<Self.runs {
      let text = texts[run % texts.count]
      let start = microseconds()
      let answer = try classifier.classify([text])[0]
      let end = microseconds()
      _ = classifier.encode(text)
      cutting.append(microseconds() - end)
      whole.append(end - start)
      precondition(answer.answer.exitLayer == 0 && answer.fullLength == Self.tokens)
    }
    func percentile(_ times: [Double], _ share: Double) -> Int {
      Int(times.sorted()[Int(Double(times.count - 1) * share)].rounded())
    }
    print(
      "text of \(Self.tokens) tokens, in to label out: median \(percentile(whole, 0.5)) us, p99 "
        + "\(percentile(whole, 0.99)) us, of that tokenisation \(percentile(cutting, 0.5)) us")
  }

  /// Texts of as many tokens, made of words of the vocabulary.
  private func texts(count: Int) -> [String] {
    let vocabulary = classifier.tokenizer.rules.vocabulary
    let words = (0..<vocabulary.count).map { vocabulary[$0] }.filter { word in
      word.utf8.count > 2 && word.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
    }
    var state: UInt64 = 8
    return (0..<count).map { _ in
      (0..<Self.tokens - 2).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return words[Int(state >> 33) % words.count]
      }.joined(separator: " ")
    }
  }

  private func microseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
  }
}
