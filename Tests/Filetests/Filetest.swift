// One file of Graphs/filetests: what it asks for, what it expects, how the two are compared and how an expectation is
// rewritten. Running the sub-tests is in Subtests.swift, finding the files in FiletestTests.swift.
//
// A file is a graph with comments around it:
//
//     ; test pass fuse-qkv, plan-memory      the sub-test and its arguments, separated by commas
//     ; exit entropy(threshold=0.2)          options of `pass` and `run`: exit, prune, heads, target, tokens
//     ; any further words                    the header ends with the first line that is not a comment
//     graph @x version 1 {
//       ... ; error: linear C3: ...          the sub-test must fail with these errors, each at the end of its line
//     }
//     ; expect                               the sub-test must give this text; without this part, the body
//     ; graph @x version 1 {

import Foundation
import Testing

/// Errors that belong to lines of the file: thrown by a sub-test, matched with `; error:` comments.
struct Diagnostics: Error, Equatable, CustomStringConvertible {
  struct Line: Hashable {
    /// From 1.
    let number: Int
    let message: String
  }

  var lines: [Line]

  var description: String { lines.map { "line \($0.number): \($0.message)" }.joined(separator: "\n") }
}

/// A file that is not a filetest.
struct FiletestFormatError: Error, CustomStringConvertible {
  let description: String
}

struct Filetest: Sendable, CustomTestStringConvertible {
  /// What a sub-test came to.
  enum Outcome: Equatable {
    case text(String)
    case errors(Diagnostics)
  }

  /// Path of the file, for reading and rewriting.
  let path: String
  /// Path below Graphs/filetests.
  let name: String
  /// The whole file.
  let text: String
  /// First word after `; test`.
  let command: String
  /// The rest of that line, split at commas.
  let arguments: [String]
  /// The lines between header and expectation, without `; error:` comments.
  let body: String
  /// The comment lines before the graph, `; test` first.
  let header: [String]
  private let expectation: String?
  private let diagnostics: Diagnostics

  var testDescription: String { name }

  init(path: String, name: String, text: String) throws {
    (self.path, self.name, self.text) = (path, name, text)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    header = Array(lines.prefix { $0.hasPrefix(";") })
    guard let first = header.first, first.hasPrefix("; test ") else {
      throw FiletestFormatError(description: "\(name): the first line must be `; test` and a sub-test")
    }
    let words = first.dropFirst("; test ".count).split(separator: " ", maxSplits: 1)
    command = words.first.map(String.init) ?? ""
    arguments = words.dropFirst().flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
    let end = lines.firstIndex(of: "; expect") ?? lines.count
    let expected = lines.dropFirst(end + 1).map {
      $0.hasPrefix("; ") ? String($0.dropFirst(2)) : String($0.dropFirst())
    }
    expectation = end < lines.count ? Self.normal(expected.joined(separator: "\n")) : nil
    var found = Diagnostics(lines: [])
    var bare: [String] = []
    for (index, line) in lines[..<end].enumerated().dropFirst(header.count) {
      let parts = line.components(separatedBy: "; error: ")
      for message in parts.dropFirst() {
        found.lines.append(Diagnostics.Line(number: index + 1, message: message.trimmingCharacters(in: .whitespaces)))
      }
      bare.append(parts.count > 1 ? Self.trimmedEnd(parts[0]) : line)
    }
    diagnostics = found
    body = Self.normal(bare.joined(separator: "\n"))
  }

  /// Runs a sub-test; errors on lines are an outcome, others are thrown.
  func run(_ subtest: (Filetest) throws -> String) throws -> Outcome {
    do {
      return .text(Self.normal(try subtest(self)))
    } catch let diagnostics as Diagnostics {
      return .errors(diagnostics)
    }
  }

  /// What the file says that the outcome is.
  var expected: Outcome {
    diagnostics.lines.isEmpty ? .text(expectation ?? body) : .errors(diagnostics)
  }

  /// Whether the outcome is the expected one; the order of errors does not count.
  func accepts(_ outcome: Outcome) -> Bool {
    switch (expected, outcome) {
    case (.text(let first), .text(let second)): first == second
    case (.errors(let first), .errors(let second)): Self.counts(first.lines) == Self.counts(second.lines)
    default: false
    }
  }

  /// The file with its expectations rewritten to the outcome.
  func blessed(with outcome: Outcome) -> String {
    var lines = body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    var expectation: [String] = []
    switch outcome {
    case .text(let output):
      if output != body {
        let output = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        expectation = ["; expect"] + output.map { $0.isEmpty ? ";" : "; \($0)" }
      }
    case .errors(let diagnostics):
      for error in diagnostics.lines {
        let index = min(max(error.number - 1 - header.count, 0), lines.count - 1)
        lines[index] += (lines[index].contains("; error: ") ? " " : "  ") + "; error: \(error.message)"
      }
    }
    return (header + lines + expectation).joined(separator: "\n") + "\n"
  }

  private static func counts(_ lines: [Diagnostics.Line]) -> [Diagnostics.Line: Int] {
    lines.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }

  /// Text that ends with exactly one line feed.
  private static func normal(_ text: String) -> String {
    trimmedEnd(text) + "\n"
  }

  private static func trimmedEnd(_ text: String) -> String {
    String(decoding: text.utf8.reversed().drop { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d }.reversed(), as: UTF8.self)
  }
}
