// Trays, locks, and discs that come and go: MMC-3 (T10/1363-D), 6.7, 6.12, 6.38 and what the operator does.

#include "tests/device/ide_cd_fixture.h"

#include <filesystem>
#include <fstream>

#include "hw/ide/isa_ide.h"

namespace machina::test {
namespace {

using testing::HasSubstr;

// --- trays, locks, media ---

TEST_F(IdeCdEmptyTest, ADriveWithoutADisc) {
  wake();
  EXPECT_FALSE(cd->has_medium());
  EXPECT_EQ(cd->drive_name(), "ide0-cd0");
  for (const Packet& p : {kTestUnitReady, read10(0, 1), packet(Opcode::ReadCapacity), read_toc(0, 0, false),
                          packet(Opcode::Seek10), packet(Opcode::ReadDiscInformation, {0, 0, 0, 0, 0, 0, 0, 64}),
                          packet(Opcode::ReadSubChannel, {0, 0, 0, 0, 0, 0, 0, 8}), start_stop(1)})
    EXPECT_EQ(sense_after(p), kNoDiscClosed) << +p[0];
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 0, 0, 0, 0}));
  EXPECT_EQ(be(reply_to(packet(Opcode::GetConfiguration, {0, 0, 0, 0, 0, 0, 0, 8})), 6, 2), 0U) << "no profile";
  EXPECT_EQ(reply_to(packet(Opcode::ModeSense10, {0, 0x2a, 0, 0, 0, 0, 0, 8})).at(2), 0x70);
  EXPECT_EQ(sense_after(start_stop(2)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscOpen);
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscClosed);
}

TEST_F(IdeCdTest, EventsMustBePolledAndOfAClassThatThereIs) {
  EXPECT_EQ(ports.pio(packet(Opcode::GetEventStatusNotification, {0, 0, 0, 0x10, 0, 0, 0, 8})).sense_key(), 5U);
  EXPECT_EQ(sense(), kBadField);
  EXPECT_EQ(reply_to(event_status(0x02)), (Bytes{0, 2, 0x80, 0x10}));
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 0, 2, 0, 0}));
}

TEST_F(IdeCdTest, TheGuestOpensAndClosesTheTray) {
  wake();
  EXPECT_EQ(sense_after(start_stop(2)), kNothing);
  EXPECT_TRUE(cd->tray_open());
  EXPECT_TRUE(cd->has_medium()) << "it lies in the tray";
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 3, 1, 0, 0}));
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 0, 1, 0, 0})) << "once";
  EXPECT_EQ(sense_after(read10(0, 1)), kNoDiscOpen);
  EXPECT_EQ(sense_after(start_stop(1)), kNoDiscOpen);
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(reply_to(event_status(0x10, 4)), (Bytes{0, 6, 4, 0x10})) << "a header tells nothing";
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 2, 2, 0, 0}));
  EXPECT_EQ(reply_to(read10(0, 1)), blocks(0, 1)) << "the disc that was there before";
  EXPECT_EQ(sense_after(start_stop(0)), kNothing) << "stopping";
  EXPECT_EQ(sense_after(start_stop(0x31)), kNothing) << "a power condition";
  EXPECT_EQ(reply_to(read10(0, 1)), blocks(0, 1));
}

// As Linux does with a tray that it finds open.
TEST_F(IdeCdTest, TheGuestClosesATrayThatTheOperatorHasOpened) {
  wake();
  cd->open_tray(false);
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscOpen);
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kNothing) << "the same disc";
  cd->open_tray(false);
  cd->close_tray();
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged) << "somebody has been at the drive";
  cd->open_tray(false);
  cd->close_tray();
  cd->open_tray(false);
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged) << "of the time before, which it has not heard of";
  EXPECT_EQ(sense_after(kTestUnitReady), kNothing);
}

TEST_F(IdeCdTest, ALockedTrayStaysClosed) {
  wake();
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  EXPECT_TRUE(cd->tray_locked());
  EXPECT_EQ(sense_after(start_stop(2)), kLocked);
  EXPECT_FALSE(cd->tray_open());
  EXPECT_EQ(sense_after(prevent(3)), kNothing);
  EXPECT_EQ(sense_after(prevent(0)), kNothing);
  EXPECT_TRUE(cd->tray_locked()) << "the persistent lock is another one";
  EXPECT_EQ(sense_after(prevent(2)), kNothing);
  EXPECT_FALSE(cd->tray_locked());
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  m.reset();
  EXPECT_FALSE(cd->tray_locked());
}

TEST_F(IdeCdTest, TheOperatorIsRefusedWhileTheGuestLocksTheTray) {
  wake();
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  try {
    cd->eject(false);
    FAIL() << "it is locked";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("Device 'disc0' is locked"));
  }
  EXPECT_FALSE(cd->tray_open());
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 1, 2, 0, 0})) << "the guest is asked";
  EXPECT_EQ(sense_after(prevent(0)), kNothing);
  EXPECT_EQ(sense_after(start_stop(2)), kNothing) << "and gives way";
  cd->eject(false);
  EXPECT_FALSE(cd->has_medium());
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscClosed);
}

TEST_F(IdeCdTest, ForceOpensALockedTray) {
  wake();
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  cd->eject(true);
  EXPECT_TRUE(cd->tray_open());
  EXPECT_FALSE(cd->has_medium());
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscOpen);
  EXPECT_EQ(cd->drive_name(), "disc0") << "the drive keeps its name";
}

TEST_F(IdeCdTest, ADiscTakenOutInTheMiddleOfACommand) {
  wake();
  ports.begin(read10(0, 100), 0, 2048);
  Bytes got;
  io.status();
  io.read_block(got, 2048);
  cd->eject(true);
  while (io.status() & kDrq) io.read_block(got, 2048);
  EXPECT_EQ(io.error(), 0x20);
  EXPECT_EQ(got, blocks(0, 32)) << "what had been read ahead";
  EXPECT_EQ(sense(), kNoDiscOpen);
}

TEST_F(IdeCdTest, ARequestInFlightEndsBeforeItsDiscLeaves) {
  wake();
  const qom::Ref<BlockDisc> kept(disc);
  disc->delayed = true;
  ports.begin(read10(9, 1), 0, 2048);
  EXPECT_EQ(io.status(), kBsy);
  cd->eject(true);
  EXPECT_EQ(disc->in_flight(), 0U);
  EXPECT_EQ(io.status(), kReady | kDrq);
  Bytes got;
  io.read_block(got, 2048);
  EXPECT_EQ(got, blocks(9, 1));
  EXPECT_EQ(io.status(), kReady);
}

class IdeCdChangeTest : public IdeCdTest {
 protected:
  static RemovableMedia::Change to(const std::string& filename, bool force = false) {
    RemovableMedia::Change change;
    change.filename = filename;
    change.force = force;
    return change;
  }
  IdeCdChangeTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ide-cd-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no folder");
    folder = name;
  }
  ~IdeCdChangeTest() override { std::filesystem::remove_all(folder); }
  std::string image(const char* name, unsigned blocks, char fill) {
    const std::string path = folder / name;
    std::ofstream(path) << std::string(std::size_t{blocks} * kBlock, fill);
    return path;
  }
  /// One block, after the image's threads have read it.
  Bytes read_file_block(std::uint32_t lba) {
    ports.begin(read10(lba, 1), 0, 2048);
    auto* medium = qom::cast<BlockBackend>(qom::resolve_path(m.object().root(), cd->get("drive").to_string()));
    EXPECT_NE(medium, nullptr);
    if (!medium) return {};
    const MachineLock::Guard guard(m.system().lock);
    medium->drain();
    Bytes got;
    if (io.status() & kDrq) io.read_block(got, 2048);
    return got;
  }
  std::filesystem::path folder;
};

TEST_F(IdeCdChangeTest, AnotherDisc) {
  wake();
  cd->change_medium(to(image("a.iso", 50, 'a')));
  EXPECT_FALSE(cd->tray_open());
  EXPECT_TRUE(cd->has_medium());
  EXPECT_EQ(reply_to(event_status(0x10)), (Bytes{0, 6, 4, 0x10, 2, 2, 0, 0})) << "new medium";
  EXPECT_EQ(sense_after(read10(0, 1)), kChanged);
  EXPECT_EQ(be(reply_to(packet(Opcode::ReadCapacity)), 0, 4), 49U);
  EXPECT_EQ(read_file_block(49), Bytes(kBlock, 'a'));
  EXPECT_EQ(cd->get("drive"), qom::Value("/machine/disc0")) << "in the place of the first";

  cd->change_medium(to(image("b.iso", 20, 'b')));
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged);
  EXPECT_EQ(read_file_block(19), Bytes(kBlock, 'b'));
  EXPECT_EQ(sense_after(read10(20, 1)), kBeyond);
  cd->eject(false);
  EXPECT_EQ(cd->get("drive"), qom::Value(""));
  EXPECT_EQ(qom::resolve_path(m.object().root(), "/machine/disc0"), nullptr);
}

TEST_F(IdeCdChangeTest, WhatCannotBePutInLeavesWhatIsThere) {
  wake();
  const auto refused = [&](const RemovableMedia::Change& change) {
    try {
      cd->change_medium(change);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused(to(folder / "none.iso")), HasSubstr("none.iso"));
  std::ofstream(folder / "short.iso") << std::string(512, 'x');
  EXPECT_THAT(refused(to(folder / "short.iso")), HasSubstr("too small"));
  const std::string good = image("good.iso", 2, 'g');
  RemovableMedia::Change change = to(good);
  change.format = "qcow2";
  EXPECT_THAT(refused(change), HasSubstr("qcow2"));
  change = to(good);
  change.read_only = false;
  EXPECT_THAT(refused(change), HasSubstr("cannot be written"));
  EXPECT_EQ(sense_after(prevent(1)), kNothing);
  EXPECT_THAT(refused(to(good)), HasSubstr("locked"));
  EXPECT_EQ(reply_to(read10(0, 1)), blocks(0, 1)) << "no attention: nothing has changed";
  EXPECT_EQ(refused(to(good, true)), "");
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged);
}

TEST_F(IdeCdChangeTest, InTheMiddleOfACommand) {
  wake();
  ports.begin(read10(0, 100), 0, 2048);
  Bytes got;
  io.status();
  io.read_block(got, 2048);
  cd->change_medium(to(image("a.iso", 200, 'a')));
  while (io.status() & kDrq) io.read_block(got, 2048);
  EXPECT_EQ(io.error(), 0x60);
  EXPECT_EQ(got, blocks(0, 32)) << "nothing of the new disc";
  EXPECT_EQ(sense(), kChanged);
  EXPECT_EQ(sense_after(kTestUnitReady), kNothing) << "it has been told";
}

TEST_F(IdeCdChangeTest, IntoAnOpenTrayAndAnEmptyDrive) {
  wake();
  cd->eject(false);
  cd->change_medium(to(image("a.iso", 3, 'a')));
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged);
  EXPECT_EQ(read_file_block(2), Bytes(kBlock, 'a'));

  cd->open_tray(false);
  cd->remove_medium();
  EXPECT_EQ(sense_after(start_stop(3)), kNothing);
  EXPECT_EQ(sense_after(kTestUnitReady), kNoDiscClosed);
  cd->change_medium(to(image("b.iso", 2, 'b')));
  EXPECT_EQ(sense_after(kTestUnitReady), kChanged);
  EXPECT_EQ(read_file_block(1), Bytes(kBlock, 'b'));
}

TEST(IdeCdLifeTest, ADiscThatIsNoneIsRefused) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaIde>("ide");
  m.object().add_new_child<BlockDisc>("disc0").blocks = 0;
  m.add<IdeCd>("cd").set_text("drive", "disc0");
  EXPECT_THROW(m.start(), Error);
}

}  // namespace
}  // namespace machina::test
