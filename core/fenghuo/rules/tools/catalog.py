"""Names for what rules speak of: clauses of 等保 2.0, techniques of ATT&CK, kinds, and where data come from.

Clauses are those of GB/T 22239-2019, level 3 (8.1 general, 8.3 mobile, 8.4 things); techniques those of ATT&CK for
Enterprise that concern networks. What is not named here is shown by its number alone.
"""

from __future__ import annotations

from collections.abc import Mapping

Names = tuple[str, str]
"""In English, in Chinese."""

CLAUSES: Mapping[str, Names] = {
    "8.1.1.1": ("choice of the site", "物理位置选择"),
    "8.1.1.2": ("physical access control", "物理访问控制"),
    "8.1.1.3": ("protection from theft and damage", "防盗窃和防破坏"),
    "8.1.1.4": ("protection from lightning", "防雷击"),
    "8.1.1.5": ("protection from fire", "防火"),
    "8.1.1.6": ("protection from water and damp", "防水和防潮"),
    "8.1.1.7": ("protection from static electricity", "防静电"),
    "8.1.1.8": ("control of temperature and humidity", "温湿度控制"),
    "8.1.1.9": ("power supply", "电力供应"),
    "8.1.1.10": ("electromagnetic protection", "电磁防护"),
    "8.1.2.1": ("network architecture", "网络架构"),
    "8.1.2.2": ("communication", "通信传输"),
    "8.1.2.3": ("trusted verification of communication devices", "可信验证"),
    "8.1.3.1": ("protection of the boundary", "边界防护"),
    "8.1.3.2": ("access control at the boundary", "访问控制"),
    "8.1.3.3": ("intrusion prevention at the boundary", "入侵防范"),
    "8.1.3.4": ("prevention of malicious code and spam", "恶意代码和垃圾邮件防范"),
    "8.1.3.5": ("security audit at the boundary", "安全审计"),
    "8.1.3.6": ("trusted verification at the boundary", "可信验证"),
    "8.1.4.1": ("identification and authentication", "身份鉴别"),
    "8.1.4.2": ("access control of devices", "访问控制"),
    "8.1.4.3": ("security audit of devices", "安全审计"),
    "8.1.4.4": ("intrusion prevention on devices", "入侵防范"),
    "8.1.4.5": ("prevention of malicious code on devices", "恶意代码防范"),
    "8.1.4.6": ("trusted verification of devices", "可信验证"),
    "8.1.4.7": ("integrity of data", "数据完整性"),
    "8.1.4.8": ("confidentiality of data", "数据保密性"),
    "8.1.4.9": ("backup and recovery of data", "数据备份恢复"),
    "8.1.4.10": ("protection of residual information", "剩余信息保护"),
    "8.1.4.11": ("protection of personal information", "个人信息保护"),
    "8.1.5.1": ("system management", "系统管理"),
    "8.1.5.2": ("audit management", "审计管理"),
    "8.1.5.3": ("security management", "安全管理"),
    "8.1.5.4": ("central management and control", "集中管控"),
    "8.1.10.1": ("management of the environment", "环境管理"),
    "8.1.10.2": ("management of assets", "资产管理"),
    "8.1.10.4": ("maintenance of devices", "设备维护管理"),
    "8.1.10.5": ("management of vulnerabilities and risks", "漏洞和风险管理"),
    "8.1.10.6": ("management of network and systems", "网络和系统安全管理"),
    "8.1.10.7": ("management of malicious code prevention", "恶意代码防范管理"),
    "8.1.10.8": ("configuration management", "配置管理"),
    "8.1.10.9": ("management of cryptography", "密码管理"),
    "8.1.10.10": ("change management", "变更管理"),
    "8.1.10.11": ("management of backup and recovery", "备份与恢复管理"),
    "8.1.10.12": ("handling of security incidents", "安全事件处置"),
    "8.1.10.13": ("management of emergency plans", "应急预案管理"),
    "8.3.1.1": ("place of wireless access points", "无线接入点的物理位置"),
    "8.3.2.1": ("wireless boundary protection", "边界防护（移动互联）"),
    "8.3.2.2": ("wireless access control", "访问控制（移动互联）"),
    "8.3.2.3": ("wireless intrusion prevention", "入侵防范（移动互联）"),
    "8.4.1.1": ("physical protection of sensing nodes", "感知节点设备物理防护"),
    "8.4.2.1": ("access control of things", "接入控制（物联网）"),
    "8.4.2.2": ("intrusion prevention of things", "入侵防范（物联网）"),
    "8.4.3.1": ("security of sensing nodes", "感知节点设备安全"),
    "8.4.3.2": ("security of gateway nodes", "网关节点设备安全"),
    "8.4.3.3": ("protection from replayed data", "抗数据重放"),
    "8.4.3.4": ("processing of merged data", "数据融合处理"),
    "8.4.4.1": ("management of sensing nodes", "感知节点管理"),
}

TECHNIQUES: Mapping[str, Names] = {
    "T1008": ("Fallback Channels", "备用信道"),
    "T1018": ("Remote System Discovery", "远程系统发现"),
    "T1021": ("Remote Services", "远程服务"),
    "T1021.001": ("Remote Desktop Protocol", "远程桌面"),
    "T1021.002": ("SMB/Windows Admin Shares", "SMB 管理共享"),
    "T1021.004": ("SSH", "SSH"),
    "T1040": ("Network Sniffing", "网络嗅探"),
    "T1041": ("Exfiltration Over C2 Channel", "经控制信道外传数据"),
    "T1046": ("Network Service Discovery", "网络服务扫描"),
    "T1048": ("Exfiltration Over Alternative Protocol", "经其他协议外传数据"),
    "T1048.003": ("Exfiltration Over Unencrypted Non-C2 Protocol", "经明文协议外传数据"),
    "T1070": ("Indicator Removal", "清除痕迹"),
    "T1071": ("Application Layer Protocol", "应用层协议"),
    "T1071.001": ("Web Protocols", "Web 协议"),
    "T1071.004": ("DNS", "DNS 协议"),
    "T1078": ("Valid Accounts", "合法账户"),
    "T1078.001": ("Default Accounts", "默认账户"),
    "T1090": ("Proxy", "代理"),
    "T1090.003": ("Multi-hop Proxy", "多级代理"),
    "T1095": ("Non-Application Layer Protocol", "非应用层协议"),
    "T1098": ("Account Manipulation", "账户操纵"),
    "T1105": ("Ingress Tool Transfer", "传入工具"),
    "T1110": ("Brute Force", "暴力破解"),
    "T1110.001": ("Password Guessing", "口令猜测"),
    "T1110.003": ("Password Spraying", "口令喷洒"),
    "T1110.004": ("Credential Stuffing", "撞库"),
    "T1133": ("External Remote Services", "外部远程服务"),
    "T1136": ("Create Account", "创建账户"),
    "T1189": ("Drive-by Compromise", "网页挂马"),
    "T1190": ("Exploit Public-Facing Application", "利用对外应用漏洞"),
    "T1200": ("Hardware Additions", "接入非法硬件"),
    "T1204": ("User Execution", "诱使用户执行"),
    "T1219": ("Remote Access Tools", "远程控制软件"),
    "T1486": ("Data Encrypted for Impact", "加密勒索"),
    "T1489": ("Service Stop", "停止服务"),
    "T1495": ("Firmware Corruption", "破坏固件"),
    "T1496": ("Resource Hijacking", "资源劫持（挖矿）"),
    "T1498": ("Network Denial of Service", "网络拒绝服务"),
    "T1498.001": ("Direct Network Flood", "直接流量洪泛"),
    "T1498.002": ("Reflection Amplification", "反射放大"),
    "T1499": ("Endpoint Denial of Service", "终端拒绝服务"),
    "T1529": ("System Shutdown/Reboot", "关机或重启"),
    "T1557": ("Adversary-in-the-Middle", "中间人攻击"),
    "T1557.001": ("LLMNR/NBT-NS Poisoning and SMB Relay", "LLMNR/NBT-NS 投毒与 SMB 中继"),
    "T1557.002": ("ARP Cache Poisoning", "ARP 缓存投毒"),
    "T1557.003": ("DHCP Spoofing", "DHCP 欺骗"),
    "T1557.004": ("Evil Twin", "仿冒无线热点"),
    "T1562": ("Impair Defenses", "削弱防御"),
    "T1562.001": ("Disable or Modify Tools", "停用或篡改安全工具"),
    "T1562.004": ("Disable or Modify System Firewall", "停用或篡改防火墙"),
    "T1565": ("Data Manipulation", "篡改数据"),
    "T1566": ("Phishing", "钓鱼"),
    "T1567": ("Exfiltration Over Web Service", "经网络服务外传数据"),
    "T1568": ("Dynamic Resolution", "动态解析"),
    "T1568.002": ("Domain Generation Algorithms", "域名生成算法"),
    "T1571": ("Non-Standard Port", "非标准端口"),
    "T1572": ("Protocol Tunneling", "协议隧道"),
    "T1590": ("Gather Victim Network Information", "收集网络信息"),
    "T1595": ("Active Scanning", "主动扫描"),
    "T1595.001": ("Scanning IP Blocks", "扫描网段"),
    "T1595.002": ("Vulnerability Scanning", "漏洞扫描"),
    "T1599": ("Network Boundary Bridging", "绕过网络边界"),
    "T1601": ("Modify System Image", "篡改系统镜像"),
    "T1602": ("Data from Configuration Repository", "窃取配置数据"),
    "T1602.001": ("SNMP (MIB Dump)", "SNMP 导出 MIB"),
    "T1602.002": ("Network Device Configuration Dump", "导出网络设备配置"),
}

KINDS: Mapping[str, Names] = {
    "match": ("tells each event that meets its condition", "对每个符合条件的事件告警"),
    "threshold": ("compares a value with a limit", "将数值与限值比较"),
    "rate": ("compares how fast a counter grows with a limit", "将计数器的增长速度与限值比较"),
    "change": ("looks for a value that changes", "关注数值的变化"),
    "absence": ("looks for readings that stay away", "关注读数的中断"),
    "anomaly": ("learns what is usual for each series and looks for what is not", "学习每个序列的常态，发现异常"),
    "frequency": ("counts events in a sliding window", "统计滑动窗口内的事件数"),
    "cardinality": ("counts different values in a sliding window", "统计滑动窗口内不同取值的个数"),
    "new_value": ("looks for values never seen before", "发现从未出现过的取值"),
    "sequence": ("looks for steps that follow one another", "发现先后发生的一系列步骤"),
    "spike": ("compares a window with the one before it", "将当前窗口与此前的窗口比较"),
    "ratio": ("compares a part with the whole in a sliding window", "计算滑动窗口内部分占整体的比例"),
    "aggregate": ("sums up values over a sliding window", "汇总滑动窗口内的数值"),
    "beacon": ("looks for contacts at regular intervals", "发现有规律的周期性外联"),
    "indicator": ("looks values up in lists of indicators", "将取值与威胁情报名单比对"),
    "allow": ("tells what is not allowed to a class of devices", "对某类设备不被允许的行为告警"),
    "deny": ("tells what is forbidden to a class of devices", "对某类设备被禁止的行为告警"),
    "composite": ("combines the alerts of other rules", "综合其他规则的告警"),
}

VALUES: Mapping[str, Names] = {
    "frequency": ("the number of events", "事件数"),
    "cardinality": ("the number of different values", "不同取值的个数"),
    "ratio": ("the share", "占比"),
    "aggregate": ("the result", "汇总值"),
    "spike": ("what the window has", "窗口内的数值"),
    "beacon": ("the regularity", "规律度"),
    "rate": ("the growth of `{}` per second", "`{}` 每秒的增长"),
    "indicator": ("the confidence", "置信度"),
}
"""What `value` means in a kind; `{}` is its data. In other kinds it is the data itself."""

FIRES: Mapping[str, Names] = {
    "match": ("at each such event", "每出现一个这样的事件"),
    "absence": ("when no reading comes", "读数中断"),
    "anomaly": ("when a value is far from what is usual", "数值明显偏离常态"),
    "new_value": ("when a value is seen for the first time, once it has learnt", "学习期过后首次出现某取值"),
    "sequence": ("when all steps came in time", "各步骤在限时内全部发生"),
    "beacon": ("when contacts are regular", "外联呈周期性"),
    "indicator": ("at each event that names something listed", "每出现一个命中名单的事件"),
    "allow": ("at each event that is not allowed", "每出现一个不被允许的事件"),
    "deny": ("at each event that is forbidden", "每出现一个被禁止的事件"),
    "composite": ("when all of these rules fire", "这些规则全部触发"),
    "change": ("at each change", "每次变化"),
}
"""When a kind fires that says no condition."""

KEYS_ZH: Mapping[str, str] = {
    "against": "对比对象",
    "allow": "允许",
    "count": "次数",
    "deny": "禁止",
    "direction": "方向",
    "field": "字段",
    "fields": "查询字段",
    "forget": "遗忘期",
    "function": "汇总方法",
    "ignore_random_mac": "忽略随机 MAC",
    "jitter": "允许抖动",
    "lasts": "告警持续",
    "learn": "学习期",
    "lists": "名单",
    "counter": "计数器",
    "min_change": "最小变化",
    "min_count": "最少数量",
    "min_previous": "此前最小值",
    "min_value": "最小值",
    "presence": "出现率",
    "season": "周期性",
    "size_jitter": "大小抖动",
    "min_confidence": "最低置信度",
    "of": "对象",
    "ordered": "按顺序",
    "part": "部分",
    "period": "周期",
    "sensitivity": "灵敏度",
    "size": "大小",
    "until": "重新开始",
    "window": "窗口",
    "within": "限时",
}
"""What the keys of kinds are called in Chinese."""

MEASUREMENTS: Mapping[str, tuple[str, ...]] = {
    "interface": ("snmp",),
    "system": ("snmp",),
    "sensor": ("snmp", "mqtt_sensor"),
    "fenghuo_agent": ("self",),
}
"""Measurement → the agent's inputs that read it."""

DATASETS: Mapping[str, tuple[str, ...]] = {
    "dns": ("capture", "eve"),
    "flow": ("capture", "eve"),
    "tls": ("capture", "eve"),
    "http": ("capture", "eve"),
    "dhcp": ("capture",),
    "neighbour": ("capture",),
    "auth": ("syslog", "traps"),
    "firewall": ("syslog",),
    "syslog": ("syslog",),
    "trap": ("snmp_trap",),
    "topology": ("snmp",),
    "configuration": ("syslog", "traps"),
    "suricata.alert": ("eve",),
    "asset": ("snmp",),
    "alert": ("rules",),
}
"""Dataset → the inputs that send it; docs/reference/events.md says what is in it."""

INPUTS = frozenset({"snmp", "snmp_trap", "mqtt_sensor", "probe", "self", "rules"})
"""The inputs that this version's agent has."""


def technique_of(tag: str) -> str:
    """`attack.t1557.002` → `T1557.002`; empty for other tags."""
    name = tag.removeprefix("attack.").upper()
    return name if tag.startswith("attack.t") and name[1:2].isdigit() else ""


def clause_of(tag: str) -> str:
    """`mlps.8.1.1.8` → `8.1.1.8`; empty for other tags."""
    return tag.removeprefix("mlps.") if tag.startswith("mlps.") else ""
