// What the console uses of Apache ECharts: lines and bars over days, as SVG.
import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, BarChart, GridComponent, TooltipComponent, AriaComponent, SVGRenderer]);
globalThis.echarts = { init };
