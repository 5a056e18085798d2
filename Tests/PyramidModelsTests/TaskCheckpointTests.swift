// What checkpoints of several tasks are, and how one is refused whose encoder is another.

import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidTestSupport
import Testing

@Suite struct TaskCheckpointTests {
  private func recipe(_ name: String, classes: Int) -> CheckpointRecipe {
    var recipe = CheckpointRecipe(.bert)
    (recipe.classes, recipe.headSeed) = (classes, name)
    return recipe
  }

  private func lowered(_ recipe: CheckpointRecipe) throws -> LoweredModel {
    let folder = try TemporaryFolder()
    return try withExtendedLifetime(folder) {
      let checkpoint = try Checkpoint(path: recipe.write(in: folder))
      return try LoweredModel(trunk: checkpoint, tasks: checkpoint.ownTasks(), name: "m")
    }
  }

  @Test func `One checkpoint with heads of its own for tasks is the same graph as several checkpoints`() throws {
    let folder = try TemporaryFolder()
    let (tone, topic) = (recipe("tone", classes: 2), recipe("topic", classes: 5))
    var one = tone
    one.tasks = [("topic", topic)]
    let own = try lowered(one)
    let tasks = try [("main", tone), ("topic", topic)].map { name, recipe in
      try TaskCheckpoint(name, Checkpoint(path: recipe.write(in: folder, name: name)))
    }
    let several = try LoweredModel(trunk: Checkpoint(path: folder.path("main")), tasks: tasks, name: "m")
    #expect(own.graph.description == several.graph.description)
    #expect(own.graph.shape.tasks.map(\.name) == ["main", "topic"] && own.graph.shape.classes == 7)
    #expect(own.labels == ["class 0", "class 1"] + (0..<5).map { "topic \($0)" })
    try own.graph.verify()
    #expect(try Graph.parse(own.graph.description, file: "m").description == own.graph.description)
    #expect(own.graph.nodes.count { $0.op == .firstRows } == 1)
  }

  @Test func `A task whose encoder differs in a bit is refused with the tensors' names`() throws {
    let folder = try TemporaryFolder()
    var other = recipe("other", classes: 2)
    other.seed = "another trunk"
    let trunk = try Checkpoint(path: recipe("tone", classes: 2).write(in: folder, name: "tone"))
    let task = try TaskCheckpoint("other", Checkpoint(path: other.write(in: folder, name: "other")))
    let error = #expect(throws: CheckpointError.self) { try LoweredModel(trunk: trunk, tasks: [task], name: "m") }
    let text = "\(error?.description ?? "")"
    #expect(text.contains("task other") && text.contains("embeddings.LayerNorm.bias") && text.contains("bit for bit"))
    other = recipe("other", classes: 2)
    other.layers = 2
    let short = try TaskCheckpoint("short", Checkpoint(path: other.write(in: folder, name: "short")))
    let shape = #expect(throws: CheckpointError.self) { try LoweredModel(trunk: trunk, tasks: [short], name: "m") }
    #expect(shape?.description.contains("another architecture") == true)
  }

  @Test func `A head that lacks a tensor, a name that is none and a task twice are refused`() throws {
    var one = recipe("tone", classes: 2)
    one.tasks = [("topic", recipe("topic", classes: 5))]
    one.leavesOut = ["tasks.topic.pooler.dense.bias"]
    let lacking = #expect(throws: CheckpointError.self) { try lowered(one) }
    #expect(lacking?.description.contains("tasks.topic.pooler.dense.bias") == true)
    let folder = try TemporaryFolder()
    let checkpoint = try Checkpoint(path: recipe("tone", classes: 2).write(in: folder))
    #expect(throws: CheckpointError.self) { try TaskCheckpoint("no name", checkpoint) }
    let twice = [try TaskCheckpoint("a", checkpoint), try TaskCheckpoint("a", checkpoint)]
    #expect(throws: CheckpointError.self) { try LoweredModel(trunk: checkpoint, tasks: twice, name: "m") }
  }

  @Test func `Exits are where all tasks have a head, and the others are named`() throws {
    var one = recipe("tone", classes: 2)
    var topic = recipe("topic", classes: 5)
    (one.layers, topic.layers, topic.withoutExit) = (4, 4, [1])
    one.tasks = [("topic", topic)]
    let model = try lowered(one)
    #expect(model.exitHeads == [0, 2])
    #expect(model.notes.contains { $0.contains("exit heads after layers 2 are left unread") })
  }
}
