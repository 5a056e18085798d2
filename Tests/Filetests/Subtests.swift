// What a filetest can ask for, by the word after `; test`. A sub-test gives the text that is compared with the
// expectation, or throws `Diagnostics` for errors that belong to lines.

import PyramidIR

/// The sub-tests by name.
let subtests: [String: @Sendable (Filetest) throws -> String] = [
  "verify": verified,
  "roundtrip": roundTripped,
  "pass": passed,
  "run": ran,
]

/// Reads and verifies the graph; a well-formed one is given back as it stands.
@Sendable func verified(_ file: Filetest) throws -> String {
  _ = try file.graph()
  return file.body
}

/// Prints what was read, and makes sure that printing what was printed changes nothing.
@Sendable func roundTripped(_ file: Filetest) throws -> String {
  let printed = try file.graph().description
  let again = try Graph.parse(printed, file: "\(file.name), printed").description
  guard again == printed else {
    throw FiletestFormatError(description: "\(file.name): printing is not a fixed point:\n\(printed)\n\(again)")
  }
  return printed
}

extension Filetest {
  /// The verified graph of the file, its errors tied to lines.
  func graph() throws -> Graph {
    do {
      let (graph, lines) = try Graph.parseWithLines(text, file: name)
      do {
        try graph.verify()
      } catch {
        throw Diagnostics(lines: error.issues.map { .init(number: lines.line(of: $0.location), message: $0.message) })
      }
      return graph
    } catch let error as ParseError {
      throw Diagnostics(lines: [.init(number: error.line, message: error.message)])
    }
  }
}
