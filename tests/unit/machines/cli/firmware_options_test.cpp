#include "machines/cli/firmware_options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "core/units.h"

namespace machina {
namespace {

class TableOptionsTest : public testing::Test {
 protected:
  ~TableOptionsTest() override { std::filesystem::remove(path_); }

  TableOptions read(const std::vector<std::string>& arguments) {
    RamConfig ram;
    ram.size = GiB;
    CpuConfig cpus;
    cpus.count = cpus.max = 4;
    cpus.topology = {2, 2, 1};
    return table_options_of(CommandLine::parse(arguments), ram, cpus);
  }
  /// The name of a file with that content.
  std::string file(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return path_;
  }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("table-options-" + std::to_string(::getpid()))).string();
};

TEST_F(TableOptionsTest, ATableMadeOfContentHasAHeader) {
  const auto tables =
      read({"-acpitable", "sig=OEM7,rev=2,oem_id=ABC,oem_table_id=DEFGHIJK,oem_rev=0x1234," +
                              std::string("asl_compiler_id=XY,asl_compiler_rev=9,data=") + file("content")})
          .acpi_tables;
  ASSERT_EQ(tables.size(), 1U);
  const std::vector<std::uint8_t>& t = tables[0];
  const std::string text(t.begin(), t.end());
  EXPECT_EQ(text.substr(0, 4), "OEM7");
  EXPECT_EQ(t[4], 36 + 7);
  EXPECT_EQ(t[8], 2);
  EXPECT_EQ(text.substr(10, 14), "ABC   DEFGHIJK");
  EXPECT_EQ(t[24] | t[25] << 8, 0x1234);
  EXPECT_EQ(text.substr(28, 4), "XY  ");
  EXPECT_EQ(t[32], 9);
  EXPECT_EQ(text.substr(36), "content");
  EXPECT_EQ(std::accumulate(t.begin(), t.end(), 0U) & 0xff, 0U);
}

TEST_F(TableOptionsTest, TablesThatAreNoneAreRefused) {
  const std::string header = std::string("SSDT") + '\x24' + std::string(31, '\0');
  EXPECT_EQ(read({"-acpitable", file(header)}).acpi_tables.size(), 1U);
  for (std::size_t size = 1; size < header.size(); ++size)
    EXPECT_THROW(read({"-acpitable", file(header.substr(0, size))}), Error) << size;
  EXPECT_THROW(read({"-acpitable", file(header + "more")}), Error);
  EXPECT_THROW(read({"-acpitable", file("ssdt" + header.substr(4))}), Error);
  for (const char* own : {"APIC", "WAET", "FACP"})
    EXPECT_THROW(read({"-acpitable", file(own + header.substr(4))}), Error) << own;
  EXPECT_EQ(read({"-acpitable", file("SRAT" + header.substr(4))}).acpi_tables.size(), 1U);
  EXPECT_THROW(read({"-acpitable", file("SRAT" + header.substr(4)), "-numa", "node"}), Error);
  EXPECT_THROW(read({"-acpitable", file("")}), Error);
  EXPECT_THROW(read({"-acpitable", "sig=ABC,data=" + file("x")}), Error);
  EXPECT_THROW(read({"-acpitable", "sig=ABCD,oem_id=TOOLONG,data=" + file("x")}), Error);
  EXPECT_THROW(read({"-acpitable", "sig=ABCD,rev=256,data=" + file("x")}), Error);
  EXPECT_THROW(read({"-acpitable", "sig=ABCD,data=" + file("x") + ",file=" + file("x")}), Error);
  EXPECT_THROW(read({"-acpitable", "sig=ABCD"}), Error);
  EXPECT_THROW(read({"-acpitable", file(std::string(65536, 'x'))}), Error);
}

TEST_F(TableOptionsTest, AllTablesTogetherHaveALimit) {
  const std::string table = "sig=OEM1,data=" + file(std::string(65536 - 36, 'x'));
  std::vector<std::string> arguments;
  for (int i = 0; i < 8; ++i) arguments.insert(arguments.end(), {"-acpitable", table});
  EXPECT_EQ(read(arguments).acpi_tables.size(), 8U);
  arguments.insert(arguments.end(), {"-acpitable", "sig=OEM2" + table.substr(8)});
  try {
    read(arguments);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "too many tables");
    EXPECT_TRUE(e.origin().place.starts_with("-acpitable sig=OEM2")) << e.origin().place;
  }
}

TEST_F(TableOptionsTest, SmbiosFieldsAreCollected) {
  const SmbiosOptions smbios = read({"-smbios", "type=1,product=P,uuid=00112233-4455-6677-8899-aabbccddeeff", "-smbios",
                                     "type=11,value=v", "-smbios", "entry-point=64"})
                                   .smbios;
  EXPECT_EQ(smbios.fields.at({1, "product"}), "P");
  ASSERT_TRUE(smbios.uuid.has_value());
  EXPECT_EQ((*smbios.uuid)[15], 0xff);
  EXPECT_EQ(smbios.oem_strings, std::vector<std::string>{"v"});
  EXPECT_EQ(smbios.entry_point, 64U);
  for (const char* wrong : {"type=1,uuid=1", "type=9,x=y", "type=256,x=y", "entry-point=16", "product=P",
                            "file=/nonexistent/file", "type=4,max-speed=x"})
    EXPECT_THROW(read({"-smbios", wrong}), Error) << wrong;
}

TEST_F(TableOptionsTest, NodesShareWhatNobodySays) {
  const TableOptions options = read({"-numa", "node", "-numa", "node", "-numa", "node"});
  EXPECT_EQ(options.node_memory, (std::vector<std::uint64_t>{341 * MiB, 341 * MiB, 342 * MiB}));
  EXPECT_EQ(options.node_of_cpu, (std::vector<unsigned>{0, 0, 1, 1}));  // whole sockets
  EXPECT_TRUE(read({}).node_memory.empty());
}

TEST_F(TableOptionsTest, NodesTakeWhatTheyAreGiven) {
  const TableOptions options = read({"-numa", "node,nodeid=1,mem=256M,cpus=0", "-numa",
                                     "node,nodeid=0,mem=768,cpus=1-2", "-numa", "node,nodeid=1,cpus=3"});
  EXPECT_EQ(options.node_memory, (std::vector<std::uint64_t>{768 * MiB, 256 * MiB}));
  EXPECT_EQ(options.node_of_cpu, (std::vector<unsigned>{1, 0, 0, 1}));
}

TEST_F(TableOptionsTest, NodesMustFit) {
  const auto refused = [&](const std::vector<std::string>& nodes) {
    std::vector<std::string> arguments;
    for (const std::string& node : nodes) arguments.insert(arguments.end(), {"-numa", node});
    EXPECT_THROW(read(arguments), Error) << nodes.back();
  };
  refused({"node,mem=1G", "node,mem=1G"});
  refused({"node,mem=8E", "node,mem=8E", "node,mem=1G"});  // 2 to the 64 and what there is
  refused({"node,mem=512M", "node,mem=256M"});
  refused({"node,mem=536870911b", "node,mem=536870913b"});  // no whole pages
  refused({"node,mem=1G", "node"});
  refused({"node,nodeid=1"});
  refused({"node,nodeid=128"});
  refused({"node", "node,nodeid=0"});
  refused({"node,cpus=0-4"});
  refused({"node,cpus=2-1"});
  refused({"node,cpus=0-2", "node,cpus=2-3"});
  refused({"node,cpus=0-2"});
  refused({"node,cpus=x"});
  refused({"dist,src=0"});
  refused({"node,memdev=m"});
}

}  // namespace
}  // namespace machina
