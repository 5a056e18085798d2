// An output that is an input, or another output, is refused before anything is read: both would be lost.

import Foundation
import Testing

@Suite struct CollisionTests {
  @Test func `No tool writes over what it reads, however it is spelled`() throws {
    let scratch = try Scratch()
    let data = try scratch.write("data.csv", "label,text\nLABEL_0,one\n")
    let model = try Models.entry.get()
    let weights = Models.entryCheckpoint + "/model.safetensors"
    let before = try Data(contentsOf: URL(fileURLWithPath: weights))
    let runs: [(Tool, [String])] = [
      (.compare, [model, "--data", data, "--answers-only", "--output", scratch.folder + "/./data.csv"]),
      (.compare, [model, "--data", data, "--answers-only", "--per-sample", data]),
      (.compare, [model, "--data", data, "--output", scratch.path("a.json"), "--per-sample", scratch.path("a.json")]),
      (.compare, ["calibrate", model, "--data", data, "--output", data]),
      (.run, [model, "a", "--write-profile", model]),
      (.run, [model, "a", "--pyramid", scratch.path("p.svg"), "--write-profile", scratch.path("p.svg")]),
      (.compile, [Models.entryCheckpoint, "-o", weights]),
    ]
    for (tool, arguments) in runs {
      let result = try tool.run(arguments)
      #expect(result.code == 64 && result.notes.contains("choose another name"), "\(arguments): \(result.notes)")
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: weights)) == before)
    #expect(try String(contentsOfFile: data, encoding: .utf8) == "label,text\nLABEL_0,one\n")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["data.csv"])
  }
}
