// Several tasks on one trunk, from the command line: compiled, looked at, asked in part, and refused where they can't be
// had.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct TaskToolTests {
  /// Two checkpoints of one trunk, and the model that answers both.
  private struct Fixture {
    let folder: TemporaryFolder
    let tone, topic, model: String

    init() throws {
      folder = try TemporaryFolder()
      var recipe = CheckpointRecipe(.bert)
      (recipe.classes, recipe.headSeed) = (2, "tone")
      tone = try recipe.write(in: folder, name: "tone")
      (recipe.classes, recipe.headSeed) = (5, "topic")
      topic = try recipe.write(in: folder, name: "topic")
      model = folder.path("both.mpc")
      let result = try Tool.compile(
        tone, "-o", model, "--task", "tone=\(tone)", "--task", "topic=\(topic)", "--exit", "entropy(threshold=0.4)")
      #expect(result.code == 0 && result.notes.contains("tasks: tone, topic"), "\(result.notes)")
      #expect(result.notes.contains("self-check: 8 texts"), "\(result.notes)")
    }

    func answers(_ arguments: String...) throws -> [[String: Any]] {
      let input = Data((5..<40).map { "w\($0) w\(5 + $0 * 7 % 35) w\(5 + $0 * 3 % 35)" }.joined(separator: "\n").utf8)
      let result = try Tool.run.run([model, "-", "--format", "jsonl", "--verify"] + arguments, input: input)
      #expect(result.code == 0, "\(result.notes)")
      return try result.lines.map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
    }
  }

  private func tasks(_ answer: [String: Any]) throws -> [String: [String: Any]] {
    try #require(answer["tasks"] as? [String: [String: Any]])
  }

  @Test func `Each task has label, score, probabilities and exit layer, and the text leaves at the latest`() throws {
    let fixture = try Fixture()
    let answers = try fixture.answers()
    #expect(answers.count == 35)
    for answer in answers {
      let tasks = try tasks(answer)
      #expect(Set(tasks.keys) == ["tone", "topic"] && answer["label"] == nil && answer["logits"] == nil)
      #expect((tasks["tone"]?["probabilities"] as? [Double])?.count == 2)
      #expect((tasks["topic"]?["probabilities"] as? [Double])?.count == 5)
      #expect((tasks["topic"]?["label"] as? String)?.hasPrefix("class ") == true)
      let layers = tasks.values.compactMap { $0["exit_layer"] as? Int }
      #expect(answer["exit_layer"] as? Int == layers.max())
    }
    #expect(try answers.contains { Set(try tasks($0).values.compactMap { $0["exit_layer"] as? Int }).count == 2 })
    let alone = try fixture.answers("--tasks", "tone")
    for (alone, both) in zip(alone, answers) {
      #expect(try Set(tasks(alone).keys) == ["tone"])
      #expect(try alone["exit_layer"] as? Int == tasks(both)["tone"]?["exit_layer"] as? Int)
      #expect(try tasks(alone)["tone"]?["score"] as? Double == tasks(both)["tone"]?["score"] as? Double)
    }
  }

  @Test func `Pretty, CSV and --info name the tasks`() throws {
    let fixture = try Fixture()
    let csv = try Tool.run(fixture.model, "--format", "csv", "w7 w8")
    #expect(csv.lines[1].contains("tone: class ") && csv.lines[1].contains("; topic: class "))
    let info = try Tool.run(fixture.model, "--info")
    #expect(info.output.contains("task tone: 2 classes: class 0, class 1\n"))
    #expect(info.output.contains("task topic: 5 classes"))
    let inspected = try Tool.compile(
      fixture.tone, "--inspect", "--task", "tone=\(fixture.tone)", "--task", "topic=\(fixture.topic)")
    #expect(inspected.output.contains("task topic"), "\(inspected.notes)")
    #expect(inspected.output.contains("one label of 5 (class 0, class 1, class 2, class 3, class 4); exit heads after"))
    let explained = try Tool.compile(
      fixture.tone, "--explain", "--task", "tone=\(fixture.tone)", "--task", "topic=\(fixture.topic)", "--exit",
      "entropy")
    #expect(explained.output.contains("side by side, for the tasks' heads"), "\(explained.notes)")
  }

  @Test func `What can't be asked of several tasks is refused with what can`() throws {
    let fixture = try Fixture()
    func refused(_ tool: Tool, _ words: String, code: Int32 = 1, _ arguments: String...) throws {
      let result = try tool.run(arguments)
      #expect(result.code == code && result.notes.contains(words), "\(arguments): \(result.notes)")
    }
    try refused(.run, "no task \"tune\"; its tasks are tone, topic", fixture.model, "--tasks", "tone,tune", "w7")
    try refused(.run, "answers several tasks (tone, topic)", fixture.model, "--window", "8", "w7")
    try refused(
      .run, "leave labels out", fixture.model, "--input",
      fixture.folder.write(
        "labelled.tsv", Array("class 0\tw7 w8\n".utf8)))
    try refused(.run, "answers one task", Models.dense.get(), "--tasks", "tone", "w7")
    try refused(
      .compare, "answers several tasks", fixture.model, "--data",
      fixture.folder.write(
        "data.tsv", Array("class 0\tw7 w8\n".utf8)), "--policy", "a: exit=entropy")
    try refused(.compile, "--task wants NAME=CHECKPOINT", code: 64, fixture.tone, "-o", "x.mpc", "--task", "tone")
    try refused(
      .compile, "is not a task's name", fixture.tone, "-o", fixture.folder.path("x.mpc"), "--task",
      "a b=\(fixture.tone)")
  }
}
